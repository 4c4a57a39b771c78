// @ai-sdk/openai-compatible with ai's generateImage: pictures, edits, errors, giving up.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateImage } from 'ai';
import { assert, worker, checkPicture, failure, picture } from './checks.mjs';

const provider = createOpenAICompatible({ name: 'diffusionclip', baseURL: `${worker}/v1`, apiKey: process.env.DCLIP_KEY ?? 'none' });
const model = provider.imageModel('emoji-sd');
const providerOptions = { diffusionclip: { steps: 4, candidates: 4, seed: 11 } };

const { images } = await generateImage({ model, prompt: 'a yellow star', size: '64x64', n: 2, providerOptions });
assert.equal(images.length, 2);
for (const image of images) await checkPicture(image.uint8Array, 64, 64);

const edited = await generateImage({
  model,
  prompt: { text: 'a blue star', images: [await picture(64, 64)], mask: await picture(64, 64, { hole: true }) },
  providerOptions,
});
await checkPicture(edited.image.uint8Array, 64, 64);

const size = await failure(() => generateImage({ model, prompt: 'x', size: '65x64', maxRetries: 2 }));
assert.match(size.message, /multiples/);
assert.equal(size.statusCode, 400);
const unknown = await failure(() => generateImage({ model: provider.imageModel('no-such-model'), prompt: 'x' }));
assert.match(unknown.message, /emoji-sd/);

const gone = await failure(() => generateImage({ model, prompt: 'a slow picture', size: '256x256', providerOptions: { diffusionclip: { steps: 1000 } }, abortSignal: AbortSignal.timeout(500) }));
assert.match(gone.name, /Abort|Timeout/);
console.log(`ai-sdk: 2 pictures, an edit; errors: ${size.message}`);
