import hashlib
import http.server
import re
import threading
from pathlib import Path

import numpy as np
import pytest

import encodekit as ek
from encodekit.cli import main
from encodekit_adapters._download import RemoteFile, check_room, fetch, plan


class Server:
    """A server of bytes with ranges and ETags that may break off, or serve damage."""

    def __init__(self):
        self.files, self.asked = {}, []
        self.break_after, self.damage = None, False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                self.answer(body=False)

            def do_GET(self):
                self.answer(body=True)

            def answer(self, body):
                content = outer.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                start = int(found[1]) if found else 0
                if body:
                    outer.asked.append((self.path, start))
                self.send_response(206 if found else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
                self.end_headers()
                if not body:
                    return
                rest = content[start:]
                if outer.damage:
                    rest = b"\0" * len(rest)
                if outer.break_after is not None:
                    rest, outer.break_after = rest[: outer.break_after], None
                    self.close_connection = True
                self.wfile.write(rest)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server():
    served = Server()
    yield served
    served.server.shutdown()
    served.server.server_close()


CONTENT = np.random.default_rng(0).bytes(300_000)


class TestFetch:
    def test_a_broken_download_goes_on_from_where_it_ended(self, server, tmp_path):
        server.files["/a/b.hf5"] = CONTENT
        server.break_after = 100_000
        (file,) = plan([RemoteFile("a/b.hf5")], tmp_path, server.url)
        assert (file.size, file.checksum) == (300_000, f"md5:{hashlib.md5(CONTENT).hexdigest()}")
        counted = []
        assert fetch(file, tmp_path, server.url, counted.append).read_bytes() == CONTENT
        assert server.asked[0] == ("/a/b.hf5", 0)
        assert server.asked[1][1] > 0
        assert sum(counted) == 300_000

    def test_another_process_goes_on_from_the_part_that_is_there(self, server, tmp_path):
        server.files["/b.hf5"] = CONTENT
        (tmp_path / ".b.hf5.part").write_bytes(CONTENT[:200_000])
        (file,) = plan([RemoteFile("b.hf5")], tmp_path, server.url)
        assert fetch(file, tmp_path, server.url).read_bytes() == CONTENT
        assert server.asked == [("/b.hf5", 200_000)]
        assert plan([RemoteFile("b.hf5", 300_000)], tmp_path, server.url) == []
        assert [path.name for path in tmp_path.iterdir()] == ["b.hf5"]

    def test_damage_is_noticed_by_the_checksum(self, server, tmp_path):
        server.files["/b.hf5"] = CONTENT
        server.damage = True
        (file,) = plan([RemoteFile("b.hf5")], tmp_path, server.url)
        with pytest.raises(OSError, match="b.hf5 came damaged"):
            fetch(file, tmp_path, server.url)
        assert not (tmp_path / "b.hf5").exists()

    def test_the_checksum_of_a_pointer_comes_before_the_servers(self, server, tmp_path):
        server.files["/b.hf5"] = CONTENT
        wrong = "0" * 32
        (tmp_path / "b.hf5").symlink_to(f".git/annex/objects/x/MD5E-s300000--{wrong}.hf5")
        (file,) = plan([RemoteFile("b.hf5")], tmp_path, server.url)
        assert file.checksum == f"md5:{wrong}"
        with pytest.raises(OSError, match="came damaged"):
            fetch(file, tmp_path, server.url)
        assert (tmp_path / "b.hf5").is_symlink()

    def test_a_pointer_gives_way_to_its_file(self, server, tmp_path):
        server.files["/b.hf5"] = CONTENT
        digest = hashlib.md5(CONTENT).hexdigest()
        (tmp_path / "b.hf5").symlink_to(f".git/annex/objects/x/MD5E-s300000--{digest}.hf5")
        (file,) = plan([RemoteFile("b.hf5")], tmp_path, server.url)
        fetch(file, tmp_path, server.url)
        assert not (tmp_path / "b.hf5").is_symlink()
        assert (tmp_path / "b.hf5").read_bytes() == CONTENT

    def test_a_connection_that_breaks_again_and_again_raises(self, server, tmp_path):
        server.files["/b.hf5"] = CONTENT
        (file,) = plan([RemoteFile("b.hf5")], tmp_path, server.url)
        server.server.shutdown()
        server.server.server_close()
        with pytest.raises(OSError, match="0 of 300000 bytes came.*goes on from there"):
            fetch(file, tmp_path, server.url, tries=2)


class TestPlan:
    def test_a_file_that_the_server_lacks_is_named(self, server, tmp_path):
        with pytest.raises(OSError, match="x.hf5: the server says 404"):
            plan([RemoteFile("x.hf5")], tmp_path, server.url)

    def test_another_size_than_is_known_raises(self, server, tmp_path):
        server.files["/b.hf5"] = CONTENT
        with pytest.raises(OSError, match="has 300000 bytes, expected 7"):
            plan([RemoteFile("b.hf5", 7)], tmp_path, server.url)

    def test_no_server_is_said(self, tmp_path):
        with pytest.raises(OSError, match="does not answer.*check the network"):
            plan([RemoteFile("b.hf5")], tmp_path, "http://127.0.0.1:9")

    def test_too_little_room_is_told_before_anything_is_fetched(self, tmp_path):
        with pytest.raises(OSError, match="GB are to be fetched but"):
            check_room([RemoteFile("b.hf5", 10**18)], tmp_path)


@pytest.fixture
def served_lebel(server, lebel, layouts, monkeypatch):
    """The tiny ds003020 on the server, with the sizes of its tiny files."""
    from encodekit_adapters import _lebel_facts as facts

    for path in lebel.rglob("*"):
        if path.is_file() and path.stem in ("buck", "life"):
            server.files[f"/{path.relative_to(lebel).as_posix()}"] = path.read_bytes()
    monkeypatch.setattr(
        facts,
        "hf5_bytes",
        lambda p, s: len(server.files[f"/derivative/preprocessed_data/{p}/{s}.hf5"]),
    )
    return server


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["data", *map(str, arguments)])
    return ended.value.code


class TestCommand:
    def test_get_says_sizes_first_and_what_it_got_loads(self, served_lebel, tmp_path, capsys):
        asked = ["get", "lebel2023", "--root", tmp_path / "set", "--source", served_lebel.url,
                 "--participants", "UTS04,UTS05", "--stories", "buck"]  # fmt: skip
        assert run(*asked, "--dry-run") in (0, None)
        shown = capsys.readouterr().out
        assert "derivative/preprocessed_data/UTS04/buck.hf5" in shown
        assert re.search(r"GB in 4 files -> ", shown)
        assert not (tmp_path / "set").exists()
        assert run(*asked) in (0, None)
        assert "4 files are there, their checksums right" in capsys.readouterr().out
        study = ek.load_study("lebel2023", root=tmp_path / "set", stories="buck",
                              participants=["UTS04", "UTS05"])  # fmt: skip
        assert study.responses()[0].compute().sizes["time"] == 332
        assert run(*asked) in (0, None)
        assert "in 0 files" in capsys.readouterr().out

    def test_convert_writes_a_store_that_opens(self, lebel, tmp_path, capsys):
        assert run("convert", "lebel2023", "--root", lebel, "--participants", "UTS04",
                   "--stories", "buck", "--output", tmp_path / "z") in (0, None)  # fmt: skip
        assert ek.load_study(tmp_path / "z").runs == ["buck"]
        assert "1 participants" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            (["got", "lebel2023"], "unknown action 'got': did you mean 'get'"),
            (["get", "lebel"], "unknown data set 'lebel': did you mean 'lebel2023'"),
            (["convert", "lebel2023"], "--output is lacking"),
        ],
    )
    def test_a_wrong_word_is_answered(self, asked, message, capsys):
        assert run(*asked) == 2
        assert message in capsys.readouterr().err


class TestCheck:
    """What a lab is told of its own folder."""

    @pytest.fixture
    def folder(self, load_module, tmp_path):
        lab = load_module(Path(__file__).with_name("lab_folder.py"))
        rng = np.random.default_rng(0)
        arrays = {p: {"a": rng.standard_normal((n, 5))} for p, n in (("P1", 36), ("P2", 20))}
        return lab.write_lab(tmp_path / "lab", {"a": 60.0}, arrays,
                             stimuli={"a": {"scan_starts": -6}})  # fmt: skip

    def test_it_ends_with_what_the_study_is(self, folder, capsys):
        assert run("check", folder) in (0, None)
        out = capsys.readouterr().out
        assert f"{folder}: a whole study" in out
        assert out.rstrip().endswith(ek.load_study(folder).describe())
        assert "P1: 3 rows before the sound and 3 after its end are left out, of 36" in out
        assert "P2: 5 targets, 1 runs, 17 of 30 TRs in a" in out

    def test_the_description_may_be_named(self, folder, capsys):
        assert run("check", folder / "study.json") in (0, None)
        assert "a whole study" in capsys.readouterr().out

    def test_raw_values_that_are_called_z_are_shown(self, folder, capsys):
        text = (folder / "study.json").read_text().replace('"t_r"', '"units": "z", "t_r"')
        (folder / "study.json").write_text(text)
        np.save(folder / "P2_a.npy", 500 + np.random.default_rng(1).standard_normal((20, 5)))
        assert run("check", folder) in (0, None)
        assert "run 'a', P2: units are \"z\" but the values have mean 5" in capsys.readouterr().out

    def test_one_problem_is_one(self, folder, capsys):
        np.save(folder / "P2_a.npy", np.zeros((5, 20)))
        assert run("check", folder) == 2
        told = capsys.readouterr().err
        assert "has 1 problem:" in told
        assert '"transposed": true' in told
