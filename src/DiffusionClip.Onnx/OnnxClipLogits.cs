using System.Numerics.Tensors;
using DiffusionClip.Models;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>
/// Finds how a model makes logits of cosines by looking at what its joint graph does: exporters fold scale and bias into constants without
/// names, so the configuration of most folders is the only other place.
/// </summary>
internal static class OnnxClipLogits
{
    // Enough that some cosines lie apart, on which the line through them depends.
    private const int Samples = 6;

    /// <summary>Fits scale and bias to a few evaluations; of a CLIP the scale alone.</summary>
    /// <exception cref="ModelFolderException">The graph has no logits, or they are no line over the cosines.</exception>
    public static ClipLogits Measure(OnnxSession joint, ClipFolder folder)
    {
        var ports = new ClipPorts(joint, folder, wantText: true, wantImage: true, "a joint CLIP");
        string[] outputs =
        [
            ports.Logits().Name,
            ports.Embeds("text_embeds", "text_embedding").Name,
            ports.Embeds("image_embeds", "image_embedding").Name,
        ];
        double[] cosines = new double[Samples],
            logits = new double[Samples];
        for (int i = 0; i < Samples; i++)
        {
            (cosines[i], logits[i]) = Evaluate(joint, folder, ports, outputs, i);
        }

        bool hasBias = folder.Family == ClipFamily.Siglip;
        double meanCosine = hasBias ? cosines.Average() : 0, meanLogit = hasBias ? logits.Average() : 0;
        double covariance = 0, variance = 0;
        for (int i = 0; i < Samples; i++)
        {
            covariance += (cosines[i] - meanCosine) * (logits[i] - meanLogit);
            variance += (cosines[i] - meanCosine) * (cosines[i] - meanCosine);
        }

        var fit = new ClipLogits((float)(covariance / variance), (float)(meanLogit - (covariance / variance * meanCosine)));
        double worst = cosines.Zip(logits, (cosine, logit) => Math.Abs((fit.Scale * cosine) + fit.Bias - logit)).Max();
        return float.IsFinite(fit.Scale) && fit.Scale > 0 && worst <= 1e-2 * Math.Max(1, logits.Max(Math.Abs))
            ? fit
            : throw new ModelFolderException(
                joint.Path,
                "its logits are no line over the cosines; add logit_scale and logit_bias to config.json");
    }

    private static unsafe (double Cosine, double Logit) Evaluate(
        OnnxSession joint,
        ClipFolder folder,
        ClipPorts ports,
        string[] outputs,
        int sample)
    {
        int height = folder.Preprocessing.Height, width = folder.Preprocessing.Width, rows = ports.Pixels!.Fixed(0) ?? 1;
        float[] pixels = new float[checked(rows * 3 * height * width)];
        for (int i = 0; i < pixels.Length; i++)
        {
            // Stripes and ramps that differ between samples; what they show does not matter.
            pixels[i] = MathF.Sin((i % (3 * height * width)) * (0.01f + (0.37f * sample))) * (1 + (sample % 3));
        }

        int[] ids = new int[ports.Text!.FixedLength ?? folder.TokenLimit];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = ((sample + 1) * 7 * (i + 1)) % Math.Min(folder.VocabSize ?? 200, 200);
        }

        fixed (float* pinned = pixels)
        {
            using EncoderCall call = new();
            ports.Text.Add(call, ids, joint);
            call.AddPinned(ports.Pixels, pinned, pixels.Length, rows, 3, height, width);
            using IDisposableReadOnlyCollection<OrtValue> results = call.Run(joint, outputs, CancellationToken.None);
            float[] logits = TensorElements.ToFloats(results[0]),
                text = TensorElements.ToFloats(results[1]),
                image = TensorElements.ToFloats(results[2]);
            int embedDim = image.Length / rows;
            return (TensorPrimitives.CosineSimilarity<float>(image.AsSpan(0, embedDim), text.AsSpan(0, embedDim)), logits[0]);
        }
    }
}
