using System.Text.Json;
using System.Text.Json.Nodes;

namespace DiffusionClip.Models;

public sealed class ModelFolderTests
{
    private static readonly string Tiny = Golden.PathOf("tiny-models", "sd1-tiny-random");
    private static readonly string Clip = Golden.PathOf("tiny-models", "clip-tiny-random");
    private static readonly string Embedded = Path.Combine(Golden.Repository, "models", "emoji-sd");

    [Fact]
    public void The_embedded_generator_says_what_it_is()
    {
        GeneratorFolder folder = Folders.Generator(Embedded);
        Assert.Equal("emoji-sd", folder.Id);
        Assert.Equal(ModelKind.Diffusion, folder.Kind);
        Assert.Equal("CC-BY-4.0", folder.License);
        Assert.Equal("StableDiffusionPipeline", folder.PipelineClass);
        Assert.Equal(("stable-diffusion", "v_prediction"), (folder.Family, folder.Scheduler.GetProperty("prediction_type").GetString()));
        Assert.Equal("DPMSolverMultistepScheduler", folder.Scheduler.GetProperty("_class_name").GetString());
        Assert.Equal(new() { NumInferenceSteps = 20, GuidanceScale = 2.5f, Width = 128, Height = 128 }, folder.Defaults);
        Assert.Equal("emoji-clip", folder.Scorer);
        Assert.Equal(0.32933477861614824f, folder.Decoder.ScalingFactor);
        Assert.Equal(0, folder.Decoder.ShiftFactor);
        Assert.Equal(8, folder.Decoder.SpatialScale);
        Assert.NotNull(folder.TinyDecoder);
        Assert.Same(folder.TinyDecoder, folder.PreviewDecoder);
        Assert.NotNull(folder.Encoder);
        TextEncoderFolder encoder = Assert.Single(folder.TextEncoders);
        Assert.Equal(192, encoder.HiddenSize);
        Assert.Equal(77, encoder.TokenLimit);
        Assert.Equal(192, folder.Denoiser.CrossAttentionDim);
        Assert.Equal((16, 16), folder.Denoiser.SampleSize);
        Assert.Equal("float32", folder.Precision);
        Assert.Equal(folder.Manifest!.Files.Keys.Order(StringComparer.Ordinal), folder.Files);
    }

    [Fact]
    public void The_embedded_scorer_says_what_it_is()
    {
        ClipFolder folder = ClipFolder.Open(Path.Combine(Golden.Repository, "models", "emoji-clip"));
        Assert.Equal("emoji-clip", folder.Id);
        Assert.Equal(77, folder.TokenLimit);
        Assert.Equal(192, folder.EmbedDim);
        Assert.Equal(31.70988f, folder.Logits!.Scale, 4);
        Assert.Equal((64, 64), (folder.Preprocessing.Height, folder.Preprocessing.Width));
        Assert.Equal([0.5, 0.5, 0.5], folder.Preprocessing.Mean);
        Assert.Equal(folder.Manifest!.Files.Keys.Order(StringComparer.Ordinal), folder.Files);
    }

    [Fact]
    public void A_folder_without_a_manifest_has_stated_defaults()
    {
        GeneratorFolder folder = Folders.Generator(Tiny);
        Assert.Equal("sd1-tiny-random", folder.Id);
        Assert.Null(folder.Manifest);
        Assert.Null(folder.Scorer);
        Assert.Null(folder.License);
        Assert.Equal(new() { NumInferenceSteps = 50, GuidanceScale = 7.5f, Width = 64, Height = 64 }, folder.Defaults);
        Assert.Contains("unet/model.onnx", folder.Files);
        Assert.Contains("tokenizer/vocab.json", folder.Files);
    }

    [Fact]
    public void Both_CLIP_layouts_are_read()
    {
        ClipFolder split = ClipFolder.Open(Clip);
        Assert.Equal(
            ("onnx/text_model.onnx", "onnx/vision_model.onnx", 24, 32),
            (split.TextGraph, split.ImageGraph, split.EmbedDim, split.Preprocessing.Width));
        Assert.Equal(100, split.Logits!.Scale, 1e-3f);

        ClipFolder immich = ClipFolder.Open(Golden.PathOf("tiny-models", "clip-tiny-random-textual-visual"));
        Assert.Equal(
            ("textual/model.onnx", "visual/model.onnx", 24, 48, 77),
            (immich.TextGraph, immich.ImageGraph, immich.EmbedDim, immich.Preprocessing.Width, immich.TokenLimit));
        Assert.EndsWith("textual", immich.TokenizerPath, StringComparison.Ordinal);
        Assert.Contains("visual/preprocess_cfg.json", immich.Files);
    }

    [Fact]
    public void A_joint_CLIP_graph_is_taken_where_there_is_no_split_one()
    {
        using ModelCopy copy = new(Clip);
        File.Delete(copy.PathOf("onnx/text_model.onnx"));
        File.Delete(copy.PathOf("onnx/vision_model.onnx"));
        Assert.True(ClipFolder.Open(copy.Path).IsJoint);
        File.Move(copy.PathOf("onnx/model.onnx"), copy.PathOf("model.onnx"));
        Assert.Equal("model.onnx", ClipFolder.Open(copy.Path).TextGraph);
    }

    [Fact]
    public void CLIP_graphs_beside_each_other_are_read()
    {
        using ModelCopy copy = new(Golden.PathOf("tiny-models", "clip-tiny-random-textual-visual"));
        File.Move(copy.PathOf("textual/model.onnx"), copy.PathOf("textual.onnx"));
        File.Move(copy.PathOf("visual/model.onnx"), copy.PathOf("visual.onnx"));
        ClipFolder folder = ClipFolder.Open(copy.Path);
        Assert.Equal(("textual.onnx", "visual.onnx"), (folder.TextGraph, folder.ImageGraph));
    }

    [Fact]
    public void A_missing_folder_says_which_there_are()
    {
        using ModelCopy copy = new(Tiny, Clip);
        Refused(Path.Combine(copy.Root, "sd9"), "sd9", "missing", "clip-tiny-random, sd1-tiny-random");
        Refused(copy.PathOf("model_index.json"), "a file");
        Refused(Directory.CreateDirectory(copy.PathOf("empty")).FullName, "no model", "model_index.json");
    }

    public static TheoryData<string, string> MissingParts => new()
    {
        { "model_index.json", "model_index.json" },
        { "scheduler/scheduler_config.json", "scheduler_config.json" },
        { "tokenizer/vocab.json", "vocab.json" },
        { "tokenizer/merges.txt", "merges.txt" },
        { "text_encoder/model.onnx", "model.onnx" },
        { "text_encoder/config.json", "config.json" },
        { "unet/model.onnx", "model.onnx" },
        { "unet/config.json", "config.json" },
        { "vae_decoder/model.onnx", "model.onnx" },
        { "vae_decoder/config.json", "config.json" },
        { "vae_encoder/model.onnx", "model.onnx" },
    };

    [Theory]
    [MemberData(nameof(MissingParts))]
    public void A_missing_part_is_named(string file, string name)
    {
        using ModelCopy copy = new(Tiny);
        File.Delete(copy.PathOf(file));

        // A tokenizer.json alone would do as well.
        File.Delete(copy.PathOf("tokenizer/tokenizer.json"));
        ModelFolderException exception = Refused(copy.Path, name, "missing", "expected");
        Assert.Equal(copy.PathOf(file), exception.Path);
    }

    [Theory]
    [InlineData("unet")]
    [InlineData("text_encoder")]
    [InlineData("vae_decoder")]
    public void A_missing_part_folder_is_named(string part)
    {
        using ModelCopy copy = new(Tiny);
        Directory.Delete(copy.PathOf(part), recursive: true);
        Refused(copy.Path, part, "missing", "expected");
    }

    [Theory]
    [InlineData("onnx/vision_model.onnx")]
    [InlineData("onnx/text_model.onnx")]
    [InlineData("config.json")]
    public void A_missing_half_of_a_CLIP_is_named(string file)
    {
        using ModelCopy copy = new(Clip);
        File.Delete(copy.PathOf("onnx/model.onnx"));
        File.Delete(copy.PathOf(file));
        Assert.Equal(copy.PathOf(file), Refused(copy.Path, "missing", "expected").Path);
    }

    [Theory]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 39045860\n", "a Git LFS pointer")]
    [InlineData("\r\n  <!DOCTYPE html><html><body>Not found</body></html>", "a web page")]
    [InlineData("<?xml version=\"1.0\"?><Error/>", "a web page")]
    [InlineData("", "empty")]
    [InlineData("{\"error\": \"not found\"}", "not an ONNX graph")]
    [InlineData("PK\u0003\u0004zip", "not an ONNX graph")]
    public void What_people_have_in_place_of_a_model_is_named(string content, string name)
    {
        using ModelCopy copy = new(Tiny);
        File.WriteAllText(copy.PathOf("unet/model.onnx"), content);
        Assert.Equal(copy.PathOf("unet/model.onnx"), Refused(copy.Path, name).Path);
    }

    [Theory]
    [InlineData("version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer")]
    [InlineData("<html></html>", "a web page")]
    [InlineData("{\"in_channels\": 4,", "broken JSON at line 1")]
    [InlineData("[]", "not an object")]
    [InlineData("", "empty")]
    public void A_broken_configuration_is_named(string content, string problem)
    {
        using ModelCopy copy = new(Tiny);
        File.WriteAllText(copy.PathOf("unet/config.json"), content);
        Assert.Equal(copy.PathOf("unet/config.json"), Refused(copy.Path, problem).Path);
    }

    [Fact]
    public void A_truncated_graph_is_named()
    {
        using ModelCopy copy = new(Tiny);
        byte[] whole = File.ReadAllBytes(copy.PathOf("unet/model.onnx"));
        File.WriteAllBytes(copy.PathOf("unet/model.onnx"), whole[..(whole.Length / 2)]);
        ModelFolder folder = Folders.Open(copy.Path);
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => folder.Files);
        Assert.Equal(copy.PathOf("unet/model.onnx"), exception.Path);
        Assert.Contains("cut off", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parts_that_do_not_fit_together_are_named_with_both_numbers()
    {
        using (ModelCopy copy = new(Tiny))
        {
            copy.Set("text_encoder/config.json", "hidden_size", 48);
            Refused(copy.Path, "unet", "cross_attention_dim is 32", "48");
        }

        using (ModelCopy copy = new(Tiny))
        {
            copy.Set("vae_decoder/config.json", "latent_channels", 16);
            Refused(copy.Path, "vae_decoder", "latent_channels is 16", "4");
        }
    }

    [Theory]
    [InlineData("unet/config.json", "in_channels", "\"four\"", "in_channels is \"four\"")]
    [InlineData("unet/config.json", "sample_size", "0", "sample_size is 0")]
    [InlineData("vae_decoder/config.json", "scaling_factor", "-1", "scaling_factor is -1")]
    [InlineData("vae_decoder/config.json", "block_out_channels", "[]", "block_out_channels is []")]
    [InlineData("scheduler/scheduler_config.json", "prediction_type", "\"velocity\"", "prediction_type is \"velocity\"")]
    public void A_value_that_cannot_be_is_named_with_its_file(string file, string key, string value, string problem)
    {
        using ModelCopy copy = new(Tiny);
        copy.Set(file, key, JsonNode.Parse(value));
        Assert.Equal(copy.PathOf(file), Refused(copy.Path, problem, "expected").Path);
    }

    [Fact]
    public void A_missing_value_is_named_with_its_file()
    {
        using ModelCopy copy = new(Tiny);
        copy.Set("unet/config.json", "in_channels", null);
        Refused(copy.Path, "in_channels is missing");
    }

    [Fact]
    public void What_diffusers_leaves_out_has_its_meaning_there()
    {
        using ModelCopy copy = new(Tiny);
        copy.Set("vae_decoder/config.json", "scaling_factor", null);
        Assert.Equal(0.18215f, Folders.Generator(copy.Path).Decoder.ScalingFactor);
        copy.Set("vae_decoder/config.json", "_class_name", "AutoencoderTiny");
        Assert.Equal(1, Folders.Generator(copy.Path).Decoder.ScalingFactor);
        copy.Set("unet/config.json", "sample_size", new JsonArray(6, 10));
        Assert.Equal((80, 48), (Folders.Generator(copy.Path).Defaults.Width, Folders.Generator(copy.Path).Defaults.Height));
    }

    [Fact]
    public void Python_s_infinities_are_read()
    {
        using ModelCopy copy = new(Tiny);
        File.WriteAllText(copy.PathOf("scheduler/scheduler_config.json"), """{"_class_name": "DPMSolverMultistepScheduler", "note": "an Infinity of \"NaN\"", "lambda_min_clipped": -Infinity, "x": [NaN, Infinity]}""");
        JsonElement scheduler = Folders.Generator(copy.Path).Scheduler;
        Assert.Equal("-Infinity", scheduler.GetProperty("lambda_min_clipped").GetString());
        Assert.Equal("an Infinity of \"NaN\"", scheduler.GetProperty("note").GetString());
        Assert.Equal("NaN", scheduler.GetProperty("x")[0].GetString());
    }

    [Fact]
    public void Token_limits_beyond_reason_are_those_of_the_encoder()
    {
        using ModelCopy copy = new(Tiny);
        copy.Set("tokenizer/tokenizer_config.json", "model_max_length", 1e30);
        Assert.Equal(77, Folders.Generator(copy.Path).TextEncoders[0].TokenLimit);
        copy.Set("tokenizer/tokenizer_config.json", "model_max_length", 32);
        Assert.Equal(32, Folders.Generator(copy.Path).TextEncoders[0].TokenLimit);
    }

    [Fact]
    public void A_generator_is_no_scorer_and_the_other_way_round()
    {
        Assert.Contains(
            "expected a CLIP",
            Assert.Throws<ModelFolderException>(() => Folders.Formats.Open<ClipFolder>(Tiny, "a CLIP model")).Message,
            StringComparison.Ordinal);
        Assert.Contains("(CLIP)", Assert.Throws<ModelFolderException>(() => ClipFolder.Open(Tiny)).Message, StringComparison.Ordinal);
        Assert.Contains(
            "expected a generator",
            Assert.Throws<ModelFolderException>(() => Folders.Generator(Clip)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Folders_that_other_exporters_write_are_read()
    {
        string shared = Path.Combine(Golden.Shared, "tiny-models");
        Assert.SkipUnless(Directory.Exists(shared), "the shared models are not beside the repository");
        GeneratorFolder external = Folders.Generator(Path.Combine(shared, "sd1-tiny-random-external"));
        Assert.Contains("unet/model.onnx_data", external.Files);

        // Weights and ports are float16, but every weight is cast before it is used.
        Assert.Equal("float32", Folders.Generator(Path.Combine(shared, "sd1-tiny-random-fp16")).Precision);
        GeneratorFolder xl = Folders.Generator(Path.Combine(shared, "sdxl-tiny-random"));
        Assert.Equal([32, 48], xl.TextEncoders.Select(encoder => encoder.HiddenSize));
        Assert.Equal(80, xl.Denoiser.CrossAttentionDim);
        Assert.Equal(32, Folders.Generator(Path.Combine(shared, "lcm-tiny-random")).Denoiser.TimeCondProjDim);
        Assert.Equal(9, Folders.Generator(Path.Combine(shared, "sd1-inpaint-tiny-random")).Denoiser.InChannels);
    }

    private static ModelFolderException Refused(string path, params string[] parts)
    {
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => Folders.Open(path));
        Assert.DoesNotContain('\n', exception.Message);
        Assert.All(parts, part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
        return exception;
    }
}
