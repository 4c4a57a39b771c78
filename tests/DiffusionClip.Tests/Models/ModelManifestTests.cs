namespace DiffusionClip.Models;

public sealed class ModelManifestTests
{
    private static readonly string Tiny = Golden.PathOf("tiny-models", "sd1-tiny-random");

    [Fact]
    public void It_says_what_the_layout_does_not()
    {
        using ModelCopy copy = new(Tiny);
        Write(copy, """{"schema_version": 1, "id": "mine", "license": "MIT", "kind": "stable-diffusion", "scorer": "c", "defaults": {"num_inference_steps": 4, "width": 96}}""");
        GeneratorFolder folder = Folders.Generator(copy.Path);
        Assert.Equal(("mine", "MIT", "c"), (folder.Id, folder.License, folder.Scorer));
        Assert.Equal(new() { NumInferenceSteps = 4, GuidanceScale = 7.5f, Width = 96, Height = 64 }, folder.Defaults);
    }

    [Theory]
    [InlineData("""{"schema_version": 1, "idd": "x"}""", "unknown key 'idd'")]
    [InlineData("""{"schema_version": 1, "defaults": {"steps": 4}}""", "unknown key 'defaults.steps'")]
    [InlineData("""{"schema_version": 2}""", "schema_version is 2")]
    [InlineData("""{"id": "x"}""", "schema_version is missing")]
    [InlineData("""{"schema_version": 1, "id": " "}""", "id is \" \"")]
    [InlineData("""{"schema_version": 1, "kind": "gan"}""", "kind is \"gan\"")]
    [InlineData("""{"schema_version": 1, "defaults": {"num_inference_steps": 0}}""", "num_inference_steps is 0")]
    [InlineData("""{"schema_version": 1, "defaults": {"width": "64"}}""", "width is \"64\"")]
    [InlineData("""{"schema_version": 1, "files": {"../x": "0000000000000000000000000000000000000000000000000000000000000000"}}""", "'../x' is no path inside")]
    [InlineData("""{"schema_version": 1, "files": {"/etc/passwd": "0000000000000000000000000000000000000000000000000000000000000000"}}""", "is no path inside")]
    [InlineData("""{"schema_version": 1, "files": {"unet/model.onnx": "abc"}}""", "no SHA-256")]
    [InlineData("""{"schema_version": 1,""", "broken JSON")]
    public void What_is_wrong_in_it_is_named(string json, string problem)
    {
        using ModelCopy copy = new(Tiny);
        Write(copy, json);
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => Folders.Open(copy.Path));
        Assert.Equal(copy.PathOf(ModelManifest.FileName), exception.Path);
        Assert.Contains(problem, exception.Message, StringComparison.Ordinal);
    }

    private static void Write(ModelCopy copy, string json) => File.WriteAllText(copy.PathOf(ModelManifest.FileName), json);
}
