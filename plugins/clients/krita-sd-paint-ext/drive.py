"""Drives auto-sd-paint-ext inside a real Krita: copied into Krita's `pykrita` folder as `drive.py` beside `krita_diff`, with a
`drive.desktop` like `krita_diff.desktop`, and both enabled. Takes the worker's address and a folder for its results from
the environment: DRIVE_WORKER, DRIVE_RESULTS."""
import os
import sys
import traceback

from krita import Extension, InfoObject, Krita, QTimer

WORKER = os.environ.get("DRIVE_WORKER", "http://127.0.0.1:7860")
RESULTS = os.environ.get("DRIVE_RESULTS", ".")


def note(text):
    with open(os.path.join(RESULTS, "drive.log"), "a") as log:
        log.write(text + "\n")


class Drive(Extension):
    def setup(self):
        QTimer.singleShot(8000, self.guarded(self.begin))

    def createActions(self, window):
        pass

    def guarded(self, step):
        def run():
            try:
                step()
            except Exception:
                note(traceback.format_exc())
        return run

    def begin(self):
        from krita_diff.script import script
        self.script = script
        script.status_changed.connect(lambda status: note(f"status: {status}"))
        krita = Krita.instance()
        self.doc = krita.createDocument(256, 256, "drive", "RGBA", "U8", "", 120.0)
        krita.activeWindow().addView(self.doc)
        krita.setActiveDocument(self.doc)
        for key, value in {
            "base_url": WORKER, "sd_base_size": 128, "sd_max_size": 256, "txt2img_prompt": "a red apple", "txt2img_steps": 12, "txt2img_cfg_scale": 2.0,
            "txt2img_sampler": "Euler a", "img2img_prompt": "a blue star", "img2img_steps": 12, "img2img_cfg_scale": 2.0, "create_mask_layer": False,
        }.items():
            script.cfg.set(key, value)
        script.action_update_config()
        self.wait(lambda: script.client.is_connected, self.paint, "connected")

    def paint(self):
        self.layers = self.count()
        self.script.action_txt2img()
        self.wait(lambda: self.count() > self.layers, self.paint_over, "txt2img: a new layer")

    def paint_over(self):
        self.doc.waitForDone()
        self.export("txt2img.png")
        self.layers = self.count()
        self.script.action_img2img()
        self.wait(lambda: self.count() > self.layers, self.end, "img2img: a new layer")

    def end(self):
        self.doc.waitForDone()
        self.export("img2img.png")
        note("done")
        self.doc.setModified(False)
        QTimer.singleShot(1000, lambda: os._exit(0))

    def wait(self, condition, then, what, tries=300):
        if condition():
            note(what)
            QTimer.singleShot(1500, self.guarded(then))
        elif tries == 0:
            note(f"never {what}")
            os._exit(1)
        else:
            QTimer.singleShot(200, self.guarded(lambda: self.wait(condition, then, what, tries - 1)))

    def count(self):
        # A layer counts once there is something on it.
        return sum(1 for node in self.nodes(self.doc.rootNode()) if node.type() == "paintlayer" and not node.bounds().isEmpty())

    def nodes(self, parent):
        for node in parent.childNodes():
            yield node
            yield from self.nodes(node)

    def export(self, name):
        self.doc.refreshProjection()
        self.doc.setBatchmode(True)
        self.doc.exportImage(os.path.join(RESULTS, name), InfoObject())


Krita.instance().addExtension(Drive(Krita.instance()))
