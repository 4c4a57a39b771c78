"""Drives AI Render inside a real Blender, without a window:

    BLENDER_USER_SCRIPTS=folder blender -b -noaudio --python drive.py -- http://127.0.0.1:7860 apple.png

`folder/addons/ai_render` holds the add-on. The scene is Blender's cube, rendered by Cycles at 128x128.
"""
import shutil
import sys

import addon_utils
import bpy

worker, target = sys.argv[sys.argv.index("--") + 1:]
module = addon_utils.enable("ai_render", default_set=True)
from ai_render import analytics, operators  # noqa: E402

# It would tell its makers about every picture.
analytics.track_event = lambda *args, **kwargs: None

preferences = bpy.context.preferences.addons["ai_render"].preferences
preferences.sd_backend = "automatic1111"
preferences.local_sd_url = worker

scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples = 4
scene.cycles.use_denoising = False
scene.render.resolution_x = scene.render.resolution_y = 128
scene.render.resolution_percentage = 100
scene.render.film_transparent = True
bpy.ops.ai_render.enable()
properties = scene.air_props
properties.prompt_text = "a red apple"
properties.use_preset = False
properties.steps = 12
properties.cfg_scale = 3
properties.image_similarity = 0.3
properties.sampler = "LMS"
properties.auto_run = False

bpy.ops.render.render()
if not operators.sd_generate(scene):
    sys.exit(f"AI Render: {properties.error_message}")
shutil.copy(properties.last_generated_image_filename, target)
print(f"AI Render: a picture, {target}")

# What is not there is said in its own words.
properties.sampler = "DPM fast"
if operators.sd_generate(scene):
    sys.exit("AI Render: the sampler should have been refused")
