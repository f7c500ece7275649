// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of a GLB, to turn, to hide and to explode.

import { AmbientLight, Box3, Color, DirectionalLight, Group, HemisphereLight, MeshStandardMaterial, PerspectiveCamera,
  Scene, Vector3, WebGLRenderer, OrbitControls, GLTFLoader } from "/page/three.js";

export class Viewer {
  constructor(canvas) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.scene = new Scene();
    this.scene.background = new Color(0x303030);
    this.scene.add(new AmbientLight(0xffffff, 0.6), new HemisphereLight(0xffffff, 0x444444, 1.2));
    const sun = new DirectionalLight(0xffffff, 2.2);
    sun.position.set(2, 4, 3);
    this.scene.add(sun);
    this.camera = new PerspectiveCamera(40, 1, 0.01, 1000);
    this.controls = new OrbitControls(this.camera, canvas);
    this.parts = [];
    this.controls.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas);
    this.camera.position.set(1.6, 1.1, 2.2);
    this.draw();
  }

  // Shows a GLB (an ArrayBuffer); returns the names of its parts.
  async show(content) {
    const { scene } = await new GLTFLoader().parseAsync(content, "");
    if (this.root) this.scene.remove(this.root);
    this.root = new Group();
    this.root.add(scene);
    this.scene.add(this.root);
    const box = new Box3().setFromObject(this.root), center = box.getCenter(new Vector3());
    const size = box.getSize(new Vector3()).length() || 1;
    this.parts = [];
    scene.traverse(node => {
      if (!node.isMesh) return;
      if (!node.geometry.attributes.normal) node.geometry.computeVertexNormals();
      if (!node.material.map) node.material = new MeshStandardMaterial({ color: node.material.color, roughness: 0.7,
        vertexColors: Boolean(node.geometry.attributes.color) });
      const middle = new Box3().setFromObject(node).getCenter(new Vector3());
      this.parts.push({ node, name: node.userData.name || node.name, home: node.position.clone(), away: middle.sub(center) });
    });
    this.controls.target.copy(center);
    this.camera.position.copy(center).add(new Vector3(0.6, 0.45, 1).multiplyScalar(size * 1.3));
    this.camera.near = size / 100;
    this.camera.far = size * 20;
    this.explode(0);
    return this.parts.map(part => part.name);
  }

  explode(amount) {
    for (const { node, home, away } of this.parts) node.position.copy(home).addScaledVector(away, amount);
    this.draw();
  }

  setVisible(index, visible) {
    this.parts[index].node.visible = visible;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.camera.lookAt(this.controls.target);
    this.renderer.render(this.scene, this.camera);
  }
}
