using DiffusionClip.Models.Graphs;

namespace DiffusionClip.Models;

public sealed class OnnxGraphFileTests
{
    [Fact]
    public void External_data_inside_the_folder_is_listed()
    {
        using ModelCopy copy = new();
        External("weights.bin").Write(copy.PathOf("unet/model.onnx"));
        File.WriteAllBytes(copy.PathOf("unet/weights.bin"), new byte[4]);
        Assert.Equal(["weights.bin"], OnnxGraphFile.Read(copy.PathOf("unet/model.onnx"), copy.Path).ExternalData);
    }

    [Theory]
    [InlineData("../outside.bin", "leads out of the folder")]
    [InlineData("a/../../outside.bin", "leads out of the folder")]
    [InlineData("/etc/passwd", "leads out of the folder")]
    [InlineData("C:\\windows\\system.ini", "leads out of the folder")]
    [InlineData("", "leads out of the folder")]
    [InlineData("gone.bin", "missing")]
    public void External_data_elsewhere_is_refused(string location, string problem)
    {
        using ModelCopy copy = new();
        File.WriteAllBytes(Path.Combine(copy.Root, "outside.bin"), new byte[4]);
        External(location).Write(copy.PathOf("model/unet/model.onnx"));
        Refused(copy.PathOf("model/unet/model.onnx"), copy.PathOf("model"), problem);
    }

    [Fact]
    public void Links_out_of_the_folder_are_refused_but_for_the_hub_s_cache()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need rights there");
        using ModelCopy copy = new();
        string repository = copy.PathOf("models--a--b"), snapshot = Path.Combine(repository, "snapshots", "rev");
        External("model.onnx_data").Write(Path.Combine(snapshot, "unet", "model.onnx"));
        string link = Path.Combine(snapshot, "unet", "model.onnx_data");

        string blob = Path.Combine(Directory.CreateDirectory(Path.Combine(repository, "blobs")).FullName, "0123");
        File.WriteAllBytes(blob, new byte[4]);
        File.CreateSymbolicLink(link, blob);
        Assert.Single(OnnxGraphFile.Read(Path.Combine(snapshot, "unet", "model.onnx"), snapshot).ExternalData);

        File.Delete(link);
        File.WriteAllBytes(copy.PathOf("secret"), new byte[4]);
        File.CreateSymbolicLink(link, copy.PathOf("secret"));
        Refused(Path.Combine(snapshot, "unet", "model.onnx"), snapshot, "a link that leads out");

        // The same through a linked folder.
        File.Delete(link);
        External("sub/secret").Write(Path.Combine(snapshot, "unet", "model.onnx"));
        Directory.CreateSymbolicLink(Path.Combine(snapshot, "unet", "sub"), copy.Root);
        Refused(Path.Combine(snapshot, "unet", "model.onnx"), snapshot, "a link that leads out");
    }

    [Fact]
    public void Hard_links_and_pipes_are_refused()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "made with the programs of Linux");
        using ModelCopy copy = new();
        External("w.bin").Write(copy.PathOf("model/unet/model.onnx"));
        string data = copy.PathOf("model/unet/w.bin");

        // A second name outside, or inside: nothing tells them apart.
        File.WriteAllBytes(copy.PathOf("secret"), new byte[4]);
        Run("ln", copy.PathOf("secret"), data);
        Refused(copy.PathOf("model/unet/model.onnx"), copy.PathOf("model"), "a hard link (2 names of one file)");

        File.Delete(data);
        Run("mkfifo", data);
        Refused(copy.PathOf("model/unet/model.onnx"), copy.PathOf("model"), "not a regular file");

        // The graph and what is read beside it must not be waited for either.
        File.Delete(copy.PathOf("model/unet/model.onnx"));
        Run("mkfifo", copy.PathOf("model/unet/model.onnx"));
        Refused(copy.PathOf("model/unet/model.onnx"), copy.PathOf("model"), "not a regular file");
        Run("mkfifo", copy.PathOf("model/model_index.json"));
        Assert.Contains(
            "not a regular file",
            Assert.Throws<ModelFolderException>(() => Folders.Open(copy.PathOf("model"))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_hard_linked_blob_of_the_hub_s_cache_is_refused()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "made with the programs of Linux");
        using ModelCopy copy = new();
        string snapshot = copy.PathOf("models--a--b/snapshots/rev"), blob = copy.PathOf("models--a--b/blobs/0123");
        External("model.onnx_data").Write(Path.Combine(snapshot, "model.onnx"));
        Directory.CreateDirectory(Path.GetDirectoryName(blob)!);
        File.WriteAllBytes(copy.PathOf("secret"), new byte[4]);
        Run("ln", copy.PathOf("secret"), blob);
        File.CreateSymbolicLink(Path.Combine(snapshot, "model.onnx_data"), blob);
        Refused(Path.Combine(snapshot, "model.onnx"), snapshot, "a hard link");

        // The blobs of another model are none of its own.
        string other = Directory.CreateDirectory(copy.PathOf("models--a--c/blobs")).FullName;
        File.WriteAllBytes(Path.Combine(other, "4567"), new byte[4]);
        File.Delete(Path.Combine(snapshot, "model.onnx_data"));
        File.CreateSymbolicLink(Path.Combine(snapshot, "model.onnx_data"), Path.Combine(other, "4567"));
        Refused(Path.Combine(snapshot, "model.onnx"), snapshot, "a link that leads out");
    }

    [Fact]
    public void A_graph_says_who_made_it()
    {
        string folder = Golden.PathOf("tiny-models", "clip-tiny-random");
        GraphFacts[] facts = [.. Folders.Open(folder).DescribeGraphs()];
        Assert.Equal(["onnx/text_model.onnx", "onnx/vision_model.onnx"], facts.Select(graph => graph.File));
        Assert.All(facts, graph =>
        {
            Assert.StartsWith("pytorch ", graph.Producer, StringComparison.Ordinal);
            Assert.Equal(17, graph.Opsets["ai.onnx"]);
            Assert.Equal(("float32", "float32"), (graph.Precision, graph.StoredPrecision));
            Assert.Equal(new FileInfo(Path.Combine(folder, graph.File)).Length, graph.Bytes);
            Assert.InRange(graph.Nodes, 100, 1000);
        });
    }

    [Fact]
    public void Foreign_operators_are_refused()
    {
        using ModelCopy copy = new();
        new TinyGraph()
            .Input("x", TinyGraph.Float, 1)
            .Output("y", TinyGraph.Float, 1)
            .Node("Evil", ["x"], "y", "my.ops")
            .Write(copy.PathOf("m.onnx"));
        Refused(copy.PathOf("m.onnx"), copy.Path, "domain 'my.ops'");
        new TinyGraph()
            .Input("x", TinyGraph.Float, 1)
            .Output("y", TinyGraph.Float, 1)
            .Node("EPContext", ["x"], "y", "com.microsoft")
            .Write(copy.PathOf("m.onnx"));
        Refused(copy.PathOf("m.onnx"), copy.Path, "EPContext");
    }

    [Fact]
    public void Precision_is_what_is_computed_with_not_what_is_stored()
    {
        using ModelCopy copy = new();
        TinyGraph stored = new TinyGraph()
            .Input("x", TinyGraph.Float, 1)
            .Output("y", TinyGraph.Float, 1)
            .Weight("w", TinyGraph.Half, [0, 0], 1)
            .Node("Cast", ["w"], "w32", attribute: TinyGraph.To(TinyGraph.Float))
            .Node("Mul", ["x", "w32"], "y");
        stored.Write(copy.PathOf("m.onnx"));
        Assert.Equal("float32", OnnxGraphFile.Read(copy.PathOf("m.onnx"), copy.Path).Precision);
        stored.Node("Mul", ["w", "w"], "z").Write(copy.PathOf("m.onnx"));
        Assert.Equal("float16", OnnxGraphFile.Read(copy.PathOf("m.onnx"), copy.Path).Precision);
    }

    [Fact]
    public void Every_cut_is_noticed_and_no_byte_hangs_or_crashes_it()
    {
        using ModelCopy copy = new();
        byte[] whole = External("w.bin").ToBytes();
        File.WriteAllBytes(copy.PathOf("w.bin"), new byte[4]);
        string path = copy.PathOf("m.onnx");
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            TryRead(path, copy.Path);
        }

        for (int i = 0; i < whole.Length; i++)
        {
            byte[] flipped = [.. whole];
            flipped[i] ^= 0xff;
            File.WriteAllBytes(path, flipped);
            TryRead(path, copy.Path);
        }
    }

    // Either it reads or it says what is wrong; nothing else may come out.
    private static void TryRead(string path, string folder)
    {
        try
        {
            OnnxGraphFile.Read(path, folder);
        }
        catch (ModelFolderException)
        {
        }
    }

    private static TinyGraph External(string location) => new TinyGraph()
        .Input("x", TinyGraph.Float, 1).Output("y", TinyGraph.Float, 1).Node("Mul", ["x", "w"], "y").ExternalWeight("w", location, 1);

    private static void Run(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    private static void Refused(string path, string folder, string problem) =>
        Assert.Contains(
            problem,
            Assert.Throws<ModelFolderException>(() => OnnxGraphFile.Read(path, folder)).Message,
            StringComparison.Ordinal);
}
