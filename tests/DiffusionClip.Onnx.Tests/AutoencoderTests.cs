using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

public sealed class AutoencoderTests
{
    [Theory]
    [InlineData("sd1-tiny-random", true)]
    [InlineData("sd1-tiny-random-older", false)]
    [InlineData("sd1-tiny-random-fp16", true)]
    [InlineData("sdxl-tiny-random", true)]
    public void Both_halves_are_mapped_and_run(string name, bool distribution)
    {
        GeneratorFolder folder = Folders.Generator(Loading.Tiny(name));
        using OnnxLatentDecoder decoder = Loading.Decoder(folder);
        using OnnxLatentEncoder encoder = new(Loading.Session(folder.PathOf(folder.Encoder!.Graph)), folder.Encoder);
        Assert.Equal((4, 4, distribution), (decoder.LatentChannels, encoder.LatentChannels, encoder.GivesDistribution));

        // Not square, so that height and width cannot be mistaken for each other.
        var shape = new LatentShape(4, 6, 10);
        float[] pixels = new float[3 * 48 * 80];
        decoder.Decode(Loading.Numbers(shape.Length), shape, pixels, TestContext.Current.CancellationToken);
        Assert.All(pixels, value => Assert.True(float.IsFinite(value)));
        LatentEncoding encoding = encoder.Encode(pixels, 48, 80, TestContext.Current.CancellationToken);
        Assert.Equal(
            (shape, shape.Length, distribution ? shape.Length : 0),
            (encoding.Shape, encoding.Mean.Length, encoding.LogVariance.Length));
        if (distribution)
        {
            Assert.True(Loading.WorstDifference(encoding.Mean.Span, encoding.LogVariance.Span) > 1e-3f);
        }
    }

    [Fact]
    public void Golden_latents_decode_to_their_pictures()
    {
        var runs = Golden.Read("tiny-models", "pipelines.json").GetProperty("runs");
        int cases = 0, pictures = 0, worst = 0, all = 0;
        string worstCase = "";
        foreach (
            IGrouping<string, System.Text.Json.JsonElement> model in runs.EnumerateArray()
                .GroupBy(run => run.GetProperty("model").GetString()!))
        {
            string path = Golden.PathOf("tiny-models", model.Key);
            all += model.Count();
            GeneratorFolder folder = Folders.Generator(path);
            using OnnxLatentDecoder decoder = Loading.Decoder(folder);
            foreach (System.Text.Json.JsonElement run in model)
            {
                string[] files =
                [
                    .. run.GetProperty("images")
                        .EnumerateArray()
                        .Select(file => Golden.PathOf("tiny-models", "expected", file.GetString()!)),
                ];
                int[] size = [.. run.GetProperty("latents_shape").EnumerateArray().Select(length => length.GetInt32())];
                var shape = new LatentShape(size[1], size[2], size[3]);
                float[] latents =
                [
                    .. run.GetProperty("latents").EnumerateArray().Select(value => value.GetSingle() / folder.Decoder.ScalingFactor),
                ];
                Assert.Equal(files.Length, size[0]);
                if (latents.Length < files.Length * shape.Length)
                {
                    // Some tables give the latents of the first picture only.
                    files = files[..(latents.Length / shape.Length)];
                }

                for (int i = 0; i < files.Length; i++)
                {
                    float[] pixels = new float[3 * shape.Height * shape.Width * 64];
                    decoder.Decode(latents.AsSpan(i * shape.Length, shape.Length), shape, pixels, TestContext.Current.CancellationToken);
                    int difference = PngPixels.WorstDifference(pixels, files[i]);
                    pictures++;
                    if (difference >= worst)
                    {
                        (worst, worstCase) = (difference, $"{model.Key} {run.GetProperty("case").GetString()}");
                    }
                }

                cases++;
            }
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"decoding {cases}/{all} cases, {pictures} pictures, worst {worst} grey levels, {worstCase}");
        Assert.Equal(all, cases);
        Assert.True(cases > 0);
        Assert.InRange(worst, 0, 2);
    }

    [Fact]
    public void Golden_latents_of_the_embedded_model_decode_to_their_pictures()
    {
        string expected = Path.Combine(Loading.Embedded("emoji-sd"), "expected");
        GeneratorFolder folder = Folders.Generator(Loading.Embedded("emoji-sd"));
        using OnnxLatentDecoder decoder = Loading.Decoder(folder);
        using var document = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(Path.Combine(expected, "expected.json")));
        int worst = 0, cases = 0;
        foreach (System.Text.Json.JsonElement run in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            float[] latents =
            [
                .. run.GetProperty("latents_first_image")
                    .EnumerateArray()
                    .Select(value => value.GetSingle() / folder.Decoder.ScalingFactor),
            ];
            float[] pixels = new float[3 * 128 * 128];
            decoder.Decode(latents, new(4, 16, 16), pixels, TestContext.Current.CancellationToken);
            worst = Math.Max(worst, PngPixels.WorstDifference(pixels, Path.Combine(expected, run.GetProperty("images")[0].GetString()!)));
            cases++;
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"embedded decoding {cases}/{cases}, worst {worst} grey levels");
        Assert.True(cases > 0);
        Assert.InRange(worst, 0, 3);
    }

    [Fact]
    public void The_small_decoder_paints_about_the_same_picture()
    {
        GeneratorFolder folder = Folders.Generator(Loading.Embedded("emoji-sd"));
        using OnnxLatentDecoder full = Loading.Decoder(folder), tiny = Loading.Decoder(folder, folder.TinyDecoder);
        using OnnxLatentEncoder encoder = new(Loading.Session(folder.PathOf(folder.Encoder!.Graph)), folder.Encoder);
        float[] picture = PngPixels.Read(Path.Combine(folder.Path, "expected", "00_0.png"), out int width, out int height);
        LatentEncoding encoding = encoder.Encode(picture, height, width, TestContext.Current.CancellationToken);
        float[] again = new float[picture.Length], preview = new float[picture.Length];
        full.Decode(encoding.Mean.Span, encoding.Shape, again, TestContext.Current.CancellationToken);
        tiny.Decode(encoding.Mean.Span, encoding.Shape, preview, TestContext.Current.CancellationToken);
        Assert.True(Loading.Cosine(picture, again) > 0.98f);
        Assert.True(Loading.Cosine(picture, preview) > 0.97f);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_fixed_batch_is_respected(int batch)
    {
        using ModelCopy copy = new();
        new TinyGraph().Input("latent_sample", TinyGraph.Float, batch, 4, "h", "w").Output("sample", TinyGraph.Float, batch, 4, "h", "w")
            .Node("Neg", ["latent_sample"], "sample").Write(copy.PathOf("m.onnx"));
        using OnnxLatentDecoder decoder = new(Loading.Session(copy.PathOf("m.onnx")), Describe());
        float[] latents = Loading.Numbers(4 * 6), pixels = new float[latents.Length];
        decoder.Decode(latents, new(4, 2, 3), pixels, TestContext.Current.CancellationToken);
        Assert.Equal(latents.Select(value => -value), pixels);
        Assert.Throws<ArgumentException>(() => decoder.Decode(latents, new(4, 2, 3), new float[5], CancellationToken.None));
        Assert.Throws<ArgumentException>(() => decoder.Decode(latents, new(3, 2, 4), pixels, CancellationToken.None));
    }

    [Fact]
    public void A_decode_is_ended_by_its_token_and_the_session_goes_on()
    {
        using ModelCopy copy = new();
        TinyGraph graph = new TinyGraph()
            .Input("latent_sample", TinyGraph.Float, "b", 4, "h", "h")
            .Output("sample", TinyGraph.Float, "b", 4, "h", "h")
            .Node("Identity", ["latent_sample"], "x0");
        for (int i = 0; i < 2000; i++)
        {
            graph.Node("MatMul", [$"x{i}", "latent_sample"], $"y{i}").Node("Sigmoid", [$"y{i}"], $"x{i + 1}");
        }

        graph.Node("Identity", ["x2000"], "sample").Write(copy.PathOf("m.onnx"));
        using OnnxLatentDecoder decoder = new(Loading.Session(copy.PathOf("m.onnx")), Describe());
        using CancellationTokenSource source = new(TimeSpan.FromMilliseconds(50));
        float[] latents = new float[4 * 256 * 256];
        Assert.Throws<OperationCanceledException>(() => decoder.Decode(latents, new(4, 256, 256), new float[latents.Length], source.Token));
        float[] pixels = new float[4 * 4 * 4];
        decoder.Decode(Loading.Numbers(64), new(4, 4, 4), pixels, CancellationToken.None);
        Assert.All(pixels, value => Assert.InRange(value, 0, 1));
    }

    private static AutoencoderFolder Describe() =>
        new() { Graph = "m.onnx", ConfigPath = "config.json", LatentChannels = 4, ScalingFactor = 1, SpatialScale = 1 };
}
