// node-sd-webui: txt2img, img2img, png-info (which it reads by position), errors.
import webui from 'node-sd-webui';
import { assert, worker, checkPicture, failure, quick, picture } from './checks.mjs';

const client = (webui.default ?? webui)({ apiUrl: worker });
const made = await client.txt2img({ prompt: quick.prompt, negativePrompt: 'blue', samplingMethod: 'Euler a', seed: 42, steps: quick.steps, width: 64, height: 64, cfgScale: 2, batchCount: 1, batchSize: 1 });
assert.equal(made.images.length, 1);
await checkPicture(Buffer.from(made.images[0], 'base64'), 64, 64);
const info = JSON.parse(made.info);
assert.equal(info.seed, 42);
assert.equal(typeof info.diffusionclip.scores[0], 'number');

const read = await client.pngInfo({ imageData: made.images[0] });
assert.equal(read.prompt, quick.prompt);
assert.equal(read.negativePrompt, 'blue');
assert.equal(read.samplingMethod, 'Euler a');
assert.deepEqual([read.steps, read.cfgScale, read.seed, read.width, read.height], [4, 2, 42, 64, 64]);
assert.equal(read.model, 'emoji-sd');

const over = await client.img2img({ imageData: [(await picture(64, 64)).toString('base64')], prompt: 'a star', steps: 8, seed: 1, width: 64, height: 64 });
await checkPicture(Buffer.from(over.images[0], 'base64'), 64, 64);

const refused = await failure(() => client.txt2img({ prompt: 'x', samplingMethod: 'No Such Sampler' }));
assert.equal(refused.message, 'Not Found');
const script = await failure(() => client.txt2img({ prompt: 'x', script: { name: 'X/Y/Z plot' } }));
assert.match(script.message, /Unprocessable/);
console.log(`node-sd-webui: picture, png-info, img2img; errors: ${refused.message}, ${script.message}`);
