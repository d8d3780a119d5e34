"use strict";
// A cortex to turn: triangles drawn in software with a depth buffer, so that it needs no WebGL.
(() => {
  const bytes = (text, Kind) => new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const read = (id) => JSON.parse(document.getElementById(id).textContent);

  const meshes = Object.values(read("cortex-mesh")).map(({ points, triangles, folds, scale }) => {
    const xyz = Float32Array.from(bytes(points, Int16Array), (value) => value * scale);
    const corners = bytes(triangles, Uint16Array);
    return { xyz, corners, folds: bytes(folds, Uint8Array), normals: normalsOf(xyz, corners) };
  });
  const VIEWS = { lateral: [0, 0], medial: [Math.PI, 0], dorsal: [0, -Math.PI / 2], ventral: [0, Math.PI / 2] };

  function normalsOf(xyz, corners) {
    const normals = new Float32Array(xyz.length);
    for (let t = 0; t < corners.length; t += 3) {
      const [a, b, c] = [corners[t] * 3, corners[t + 1] * 3, corners[t + 2] * 3];
      const [ux, uy, uz] = [xyz[b] - xyz[a], xyz[b + 1] - xyz[a + 1], xyz[b + 2] - xyz[a + 2]];
      const [vx, vy, vz] = [xyz[c] - xyz[a], xyz[c + 1] - xyz[a + 1], xyz[c + 2] - xyz[a + 2]];
      const n = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
      for (const k of [a, b, c]) for (let i = 0; i < 3; i++) normals[k + i] += n[i];
    }
    let outward = 0;
    for (let k = 0; k < xyz.length; k++) outward += normals[k] * xyz[k];
    for (let k = 0; k < xyz.length; k += 3) {
      const size = Math.sign(outward) * Math.hypot(normals[k], normals[k + 1], normals[k + 2]) || 1;
      for (let i = 0; i < 3; i++) normals[k + i] /= size;
    }
    return normals;
  }

  // Rows of the turn that shows the outer side at yaw 0; the hemispheres turn as in a mirror.
  function turn(side, yaw, pitch) {
    const sign = side === 0 ? -1 : 1;
    const angle = yaw + Math.PI / 2;
    const [cy, sy, cp, sp] = [Math.cos(angle), Math.sin(angle) * sign, Math.cos(pitch), Math.sin(pitch)];
    return [cy, sy, 0, sp * sy, -sp * cy, cp, cp * sy, -cp * cy, -sp];
  }

  class Viewer {
    constructor(root) {
      this.root = root;
      this.canvas = root.querySelector("canvas");
      this.context = this.canvas.getContext("2d");
      const data = read(root.dataset.source);
      this.maps = data.maps.map((map) => ({ ...map, values: bytes(map.values, Uint16Array) }));
      this.colours = bytes(data.colours, Uint8Array);
      this.areas = data.areas;
      this.area = data.areas ? bytes(data.area, Uint16Array) : null;
      [this.yaw, this.pitch] = VIEWS.lateral;
      this.map = this.maps[0];
      const pixels = this.canvas.width * this.canvas.height;
      this.depth = new Float32Array(pixels);
      this.vertex = new Int32Array(pixels);
      this.image = this.context.createImageData(this.canvas.width, this.canvas.height);
      this.listen();
      this.draw();
      root.dataset.ready = "true";
    }

    listen() {
      const { root, canvas } = this;
      const redraw = () => (this.pending ||= requestAnimationFrame(() => { this.pending = 0; this.draw(); }));
      canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
      canvas.addEventListener("pointermove", (event) => {
        if (!event.buttons) return this.tell(event);
        const mirrored = event.offsetX < canvas.clientWidth / 2 ? -1 : 1;
        this.yaw -= mirrored * event.movementX * 0.01;
        this.pitch += event.movementY * 0.01;
        redraw();
      });
      canvas.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
        if (!step) return;
        event.preventDefault();
        this.yaw += step[0];
        this.pitch += step[1];
        redraw();
      });
      for (const button of root.querySelectorAll("button")) {
        button.addEventListener("click", () => { [this.yaw, this.pitch] = VIEWS[button.value]; redraw(); });
      }
      root.querySelector("select")?.addEventListener("change", (event) => {
        this.map = this.maps[event.target.selectedIndex];
        redraw();
      });
      root.querySelector("input").addEventListener("input", redraw);
    }

    value(vertex) {
      const stored = this.map.values[vertex];
      return stored ? this.map.low + ((stored - 1) / 65534) * (this.map.high - this.map.low) : NaN;
    }

    tell(event) {
      const scale = this.canvas.width / this.canvas.clientWidth;
      const at = Math.floor(event.offsetY * scale) * this.canvas.width + Math.floor(event.offsetX * scale);
      const vertex = this.vertex[at] ?? -1;
      const output = this.root.querySelector("output");
      if (vertex < 0) return void (output.textContent = "");
      const n = meshes[0].folds.length;
      const value = this.value(vertex);
      const area = this.area ? this.areas[this.area[vertex]] : "";
      output.textContent = `${vertex < n ? "left" : "right"} ${vertex % n}${area && ` · ${area}`}: ` +
        (Number.isNaN(value) ? "not scored" : value.toFixed(3));
    }

    // Colours (RGB, 0-255) of all vertices: the map where it reaches the threshold, else the folds.
    paint(threshold) {
      const n = meshes[0].folds.length;
      const rgb = new Float32Array(2 * n * 3);
      const { vmin, vmax } = this.map;
      for (let k = 0; k < 2 * n; k++) {
        const value = this.value(k);
        // where colours begin at 0, a negative value is below every threshold
        if ((vmin < 0 ? Math.abs(value) : value) >= threshold) {
          const at = 3 * Math.max(0, Math.min(255, Math.round(((value - vmin) / (vmax - vmin)) * 255)));
          for (let i = 0; i < 3; i++) rgb[3 * k + i] = this.colours[at + i];
        } else {
          const grey = 219 - 0.18 * meshes[k < n ? 0 : 1].folds[k % n];
          rgb.fill(grey, 3 * k, 3 * k + 3);
        }
      }
      return rgb;
    }

    draw() {
      const threshold = Number(this.root.querySelector("input").value);
      this.root.querySelector(".threshold").textContent = threshold.toFixed(2);
      for (const name of ["vmin", "vmax"]) this.root.querySelector(`.${name}`).textContent = this.map[name].toFixed(2);
      this.depth.fill(-Infinity);
      this.vertex.fill(-1);
      this.image.data.fill(0);
      const rgb = this.paint(threshold);
      meshes.forEach((mesh, side) => this.drawSide(mesh, side, rgb));
      this.context.putImageData(this.image, 0, 0);
    }

    drawSide({ xyz, normals, corners, folds }, side, rgb) {
      const { width, height } = this.canvas;
      const turned = turn(side, this.yaw, this.pitch);
      const scale = height / 190;
      const [middleX, middleY] = [width * (side === 0 ? 0.26 : 0.74), height / 2];
      const n = folds.length;
      const [x, y, z, shade] = [0, 0, 0, 0].map(() => new Float32Array(n));
      for (let k = 0; k < n; k++) {
        const [a, b, c] = [xyz[3 * k], xyz[3 * k + 1], xyz[3 * k + 2]];
        x[k] = middleX + scale * (turned[0] * a + turned[1] * b + turned[2] * c);
        y[k] = middleY - scale * (turned[3] * a + turned[4] * b + turned[5] * c);
        z[k] = turned[6] * a + turned[7] * b + turned[8] * c;
        const facing = turned[6] * normals[3 * k] + turned[7] * normals[3 * k + 1] + turned[8] * normals[3 * k + 2];
        shade[k] = 0.62 + 0.38 * Math.sqrt(Math.max(0, facing));
      }
      for (let t = 0; t < corners.length; t += 3) this.fill([corners[t], corners[t + 1], corners[t + 2]], side * n, { x, y, z, shade }, rgb);
    }

    fill([a, b, c], first, { x, y, z, shade }, rgb) {
      const { width, height } = this.canvas;
      const area = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a]);
      if (!area) return;
      const [left, right] = [Math.max(0, Math.ceil(Math.min(x[a], x[b], x[c]))), Math.min(width - 1, Math.max(x[a], x[b], x[c]))];
      const [top, bottom] = [Math.max(0, Math.ceil(Math.min(y[a], y[b], y[c]))), Math.min(height - 1, Math.max(y[a], y[b], y[c]))];
      for (let row = top; row <= bottom; row++) {
        for (let column = left; column <= right; column++) {
          const wb = ((column - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (row - y[a])) / area;
          const wc = ((x[b] - x[a]) * (row - y[a]) - (column - x[a]) * (y[b] - y[a])) / area;
          const wa = 1 - wb - wc;
          if (wa < -1e-6 || wb < -1e-6 || wc < -1e-6) continue;
          const depth = wa * z[a] + wb * z[b] + wc * z[c];
          const at = row * width + column;
          if (depth <= this.depth[at]) continue;
          this.depth[at] = depth;
          this.vertex[at] = first + (wa >= wb && wa >= wc ? a : wb >= wc ? b : c);
          const light = wa * shade[a] + wb * shade[b] + wc * shade[c];
          for (let i = 0; i < 3; i++) {
            const [ra, rb, rc] = [a, b, c].map((k) => rgb[3 * (first + k) + i]);
            this.image.data[4 * at + i] = light * (wa * ra + wb * rb + wc * rc);
          }
          this.image.data[4 * at + 3] = 255;
        }
      }
    }
  }

  for (const root of document.querySelectorAll(".viewer")) {
    try {
      new Viewer(root);
    } catch (error) {
      root.querySelector("output").textContent = `This map cannot be turned: ${error.message}`;
    }
  }
})();
