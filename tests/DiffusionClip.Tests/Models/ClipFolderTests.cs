namespace DiffusionClip.Models;

public sealed class ClipFolderTests
{
    private static readonly string Clip = Golden.PathOf("tiny-models", "clip-tiny-random");
    private static readonly string Siglip = Golden.PathOf("tiny-models", "siglip-tiny-random");
    private static readonly string TextualVisual = Golden.PathOf("tiny-models", "clip-tiny-random-textual-visual");

    [Fact]
    public void One_of_several_precisions_is_picked_by_name()
    {
        using ModelCopy copy = new(Clip);
        foreach (string tower in new[] { "text_model", "vision_model" })
        {
            File.Copy(copy.PathOf($"onnx/{tower}.onnx"), copy.PathOf($"onnx/{tower}_q4f16.onnx"));
        }

        // Half a pair is none.
        File.Copy(copy.PathOf("onnx/text_model.onnx"), copy.PathOf("onnx/text_model_fp16.onnx"));
        ClipFolder plain = ClipFolder.Open(copy.Path), small = ClipFolder.Open($"{copy.Path}#q4f16");
        Assert.Equal(("onnx/text_model.onnx", "onnx/vision_model.onnx"), (plain.TextGraph, plain.ImageGraph));
        Assert.Equal(("onnx/text_model_q4f16.onnx", "onnx/vision_model_q4f16.onnx"), (small.TextGraph, small.ImageGraph));
        Assert.Equal(("clip-tiny-random", "clip-tiny-random#q4f16"), (plain.Id, small.Id));
        Assert.Equal(["", "q4f16"], small.Variants);
        Assert.Equal(small.TextGraph, Folders.Catalog([copy.Root]).ResolveScorer("clip-tiny-random#q4f16").TextGraph);
        Assert.Contains("onnx/text_model_q4f16.onnx", small.Files);
        Assert.Contains(
            "missing",
            Assert.Throws<ModelFolderException>(() => ClipFolder.Open($"{copy.Path}#fp16")).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "no variant '#uint8'; there are #q4f16",
            Assert.Throws<ModelFolderException>(() => ClipFolder.Open($"{copy.Path}#uint8")).Message,
            StringComparison.Ordinal);

        // Without the plain one the first there is counts.
        File.Delete(copy.PathOf("onnx/text_model.onnx"));
        File.Delete(copy.PathOf("onnx/model.onnx"));
        Assert.Equal("onnx/text_model_q4f16.onnx", ClipFolder.Open(copy.Path).TextGraph);
        Assert.Contains(
            "has no variants",
            Assert.Throws<ModelFolderException>(() => Folders.Open($"{Golden.PathOf("tiny-models", "sd1-tiny-random")}#fp16")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_configuration_the_graphs_say_their_sizes()
    {
        using ModelCopy copy = new(TextualVisual);
        File.Delete(copy.PathOf("config.json"));
        File.Delete(copy.PathOf("visual/preprocess_cfg.json"));
        File.Delete(copy.PathOf("textual/tokenizer_config.json"));
        ClipFolder folder = ClipFolder.Open(copy.Path);
        Assert.Equal((48, 48, 77), (folder.Preprocessing.Width, folder.Preprocessing.Height, folder.TokenLimit));
        Assert.Equal(new ClipLogits(100, 0), folder.Logits);
    }

    [Theory]
    [InlineData(4.605170185988092, 100)]
    [InlineData(2.6592, 100)]
    [InlineData(3.0, 20.0855)]
    public void What_training_began_with_is_no_logit_scale(double initial, float expected)
    {
        using ModelCopy copy = new(Clip);
        copy.Set("config.json", "logit_scale_init_value", initial);
        Assert.Equal(expected, ClipFolder.Open(copy.Path).Logits!.Scale, 1e-3f);
        copy.Set("config.json", "logit_scale", 42);
        Assert.Equal(new ClipLogits(42, 0), ClipFolder.Open(copy.Path).Logits);
    }

    [Fact]
    public void A_SigLIP_is_one_by_its_model_type()
    {
        ClipFolder folder = ClipFolder.Open(Siglip);
        Assert.Equal((ClipFamily.Siglip, 64, new ClipLogits(10, -3)), (folder.Family, folder.TokenLimit, folder.Logits));
        Assert.Contains("spiece.model", folder.Files);
        Assert.Equal(ClipFamily.Clip, ClipFolder.Open(Clip).Family);
        using ModelCopy copy = new(Siglip);
        copy.Set("config.json", "logit_bias", null);
        Assert.Null(ClipFolder.Open(copy.Path).Logits);
        File.Delete(copy.PathOf("spiece.model"));
        Assert.Contains(
            "spiece.model: missing",
            Assert.Throws<ModelFolderException>(() => ClipFolder.Open(copy.Path)).Message,
            StringComparison.Ordinal);
    }
}
