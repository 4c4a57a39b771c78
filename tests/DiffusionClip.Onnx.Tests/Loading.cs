using DiffusionClip.Families;
using DiffusionClip.Models;
using Microsoft.Extensions.Logging.Abstractions;

namespace DiffusionClip.Onnx;

/// <summary>Models and sessions for tests.</summary>
internal static class Loading
{
    public static OnnxEnvironment Environment { get; } = OnnxEnvironment.Get(new OnnxOptions(), NullLogger.Instance);

    /// <summary>A model of tests/Golden, else of ../shared; skips visibly if it is in neither.</summary>
    public static string Tiny(string name)
    {
        string golden = Golden.PathOf("tiny-models", name), shared = Path.Combine(Golden.Shared, "tiny-models", name);
        Assert.SkipUnless(Directory.Exists(golden) || Directory.Exists(shared), $"{name} is neither in tests/Golden nor in ../shared");
        return Directory.Exists(golden) ? golden : shared;
    }

    public static string Embedded(string name) => Path.Combine(Golden.Repository, "models", name);

    public static IReadOnlyList<OnnxModelLoader> Loaders { get; } = [new GeneratorLoader(Folders.Families), new ClipLoader()];

    public static OnnxSession Session(string path) => OnnxSession.Load(path, "cpu", Environment);

    public static OnnxDenoiser Denoiser(GeneratorFolder folder) =>
        new(Session(folder.PathOf(folder.Denoiser.Graph)), folder.Denoiser, UnetFamily.Signature(folder.Denoiser));

    /// <summary>A graph made by a test, as a UNet.</summary>
    public static OnnxDenoiser Denoiser(string path, int width = 8) =>
        new(Session(path), Describe(width), UnetFamily.Signature(Describe(width)));

    public static OnnxTextEncoder TextEncoder(GeneratorFolder folder, int index = 0) =>
        new(Session(folder.PathOf(folder.TextEncoders[index].Graph)), folder.TextEncoders[index]);

    public static OnnxLatentDecoder Decoder(GeneratorFolder folder, AutoencoderFolder? part = null) =>
        new(Session(folder.PathOf((part ?? folder.Decoder).Graph)), part ?? folder.Decoder);

    /// <summary>What a folder would say of a graph made by a test.</summary>
    public static DenoiserFolder Describe(int width = 8) =>
        new()
        {
            Graph = "unet/model.onnx",
            ConfigPath = "unet/config.json",
            InChannels = 4,
            OutChannels = 4,
            SampleSize = (8, 8),
            CrossAttentionDim = width,
        };

    /// <summary>Numbers that look like noise and are the same everywhere.</summary>
    public static float[] Numbers(int count, int seed = 1)
    {
        float[] numbers = new float[count];
        uint state = (uint)(seed * 747796405) + 2891336453;
        for (int i = 0; i < count; i++)
        {
            state = (state * 747796405) + 2891336453;
            numbers[i] = (((state >> 9) / (float)(1 << 23)) * 4) - 2;
        }

        return numbers;
    }

    public static int[] Ids(int count)
    {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++)
        {
            ids[i] = i < 6 ? 200 + (31 * i) : 1209;
        }

        ids[0] = 1208;
        return ids;
    }

    public static float WorstDifference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Assert.Equal(a.Length, b.Length);
        float worst = 0;
        for (int i = 0; i < a.Length; i++)
        {
            worst = float.IsNaN(a[i]) || float.IsNaN(b[i]) ? float.PositiveInfinity : Math.Max(worst, Math.Abs(a[i] - b[i]));
        }

        return worst;
    }

    public static float Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b) =>
        System.Numerics.Tensors.TensorPrimitives.CosineSimilarity(a, b);
}
