using System.Text.Json.Nodes;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

public sealed class ModelSpecTests
{
    [Fact]
    public async Task A_replaced_vocabulary_is_tokenized_anew()
    {
        using ModelCopy copy = new(Loading.Tiny("clip-tiny-random"));
        using OnnxModelStore store = new(new(), Loading.Loaders);
        using ClipLease before = await Clip(store, copy);
        int old = before.Tokenizer.EncodeWords("a")[0];

        // Files are hashed beside the loading: only then are they replaced.
        string hash = (await before.Hashes).Identity;

        // Two words change places.
        string path = copy.PathOf("vocab.json");
        JsonObject words = JsonNode.Parse(await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken))!.AsObject();
        (words["a</w>"], words["b</w>"]) = ((int)words["b</w>"]!, (int)words["a</w>"]!);
        await File.WriteAllTextAsync(path, words.ToJsonString() + " ", TestContext.Current.CancellationToken);
        using ClipLease after = await Clip(store, copy);
        Assert.NotEqual(old, after.Tokenizer.EncodeWords("a")[0]);
        Assert.NotEqual(hash, (await after.Hashes).Identity);

        // The old lease keeps what its hashes say.
        Assert.Equal(old, before.Tokenizer.EncodeWords("a")[0]);
    }

    [Fact]
    public async Task What_a_spec_asks_for_and_a_model_has_not_is_refused()
    {
        using OnnxModelStore store = new(new(), Loading.Loaders);
        ClipFolder clip = ClipFolder.Open(Loading.Tiny("clip-tiny-random"));
        await Refused<ClipLease>(new() { Folder = clip, Precision = "float16" }, "precision", "clip-tiny-random is float32");
        await Refused<ClipLease>(new() { Folder = clip, Adapters = [new() { Path = "x.safetensors" }] }, "adapters", "leave them out");
        await Refused<GeneratorLease>(new() { Folder = clip }, "model", "it is a clip; expected a generator");
        await Refused<EchoLease>(new() { Folder = clip }, "model", "no loader of this build gives a EchoLease");
        using ClipLease lease = await store.LeaseAsync<ClipLease>(
            new() { Folder = clip, Precision = "float32" },
            TestContext.Current.CancellationToken);
        using ClipLease same = await store.LeaseAsync<ClipLease>(new() { Folder = clip }, TestContext.Current.CancellationToken);
        Assert.Same(lease.TextEncoder, same.TextEncoder);
        using ClipLease other = await store.LeaseAsync<ClipLease>(
            new() { Folder = clip, Revision = "another" },
            TestContext.Current.CancellationToken);
        Assert.NotSame(lease.TextEncoder, other.TextEncoder);

        async Task Refused<TLease>(ModelSpec spec, string field, string remedy)
            where TLease : ModelLease
        {
            InvalidRequestException exception = await Assert.ThrowsAsync<InvalidRequestException>(() =>
                store.LeaseAsync<TLease>(spec, CancellationToken.None));
            Assert.Equal(field, exception.Field);
            Assert.Contains(remedy, exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_lone_graph_with_metadata_is_found_leased_and_run()
    {
        using ModelCopy copy = new();
        Echo("three").Write(copy.PathOf("models/triple.onnx"));
        Echo(null).Write(copy.PathOf("models/other.onnx"));
        ModelCatalog catalog = new([copy.PathOf("models")], new([.. Folders.BuiltIn, new EchoFormat()]));
        ModelEntry entry = Assert.Single(catalog.List());
        Assert.Equal(("triple", "echo", null), (entry.Id, entry.Kind!.Name, entry.Problem));
        var folder = Assert.IsType<EchoFolder>(catalog.Resolve("triple"));
        Assert.Equal(["triple.onnx"], folder.Files);
        Assert.Same(ModelKind.Clip, new ClipFormat().Kind);

        using OnnxModelStore store = new(new(), [.. Loading.Loaders, new EchoLoader()]);
        using EchoLease lease = await store.LeaseAsync<EchoLease>(new() { Folder = folder }, TestContext.Current.CancellationToken);
        Assert.Equal([3, 6], lease.Run([1, 2]));
        Assert.Equal(["triple.onnx"], (await lease.Hashes).Files.Keys);
        Assert.Equal(1, store.Loaded);
        Assert.Contains(
            "a file; expected the folder of a model",
            Assert.Throws<ModelFolderException>(() => catalog.Formats.Open(copy.PathOf("models/other.onnx"))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_are_asked_for_on_no_caller_s_thread()
    {
        using ModelCopy copy = new();
        Echo("three").Write(copy.PathOf("m.onnx"));
        using OnnxModelStore store = new(new(), [new EchoLoader()]);
        using var release = new ManualResetEventSlim();
        var folder = new EchoFolder(new() { Path = copy.PathOf("m.onnx") }) { BeforeListing = release.Wait };
        Task<EchoLease> lease = store.LeaseAsync<EchoLease>(new() { Folder = folder }, TestContext.Current.CancellationToken);
        Assert.False(lease.IsCompleted);
        release.Set();
        (await lease).Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_rewritten_graph_runs_as_its_bytes_say(bool isExternal)
    {
        using ModelCopy copy = new();
        string path = copy.PathOf("m.onnx");
        TinyGraph Graph(float factor)
        {
            TinyGraph graph = new TinyGraph().Input("x", TinyGraph.Float, 2).Output("y", TinyGraph.Float, 2)
                .Weight("f", TinyGraph.Float, BitConverter.GetBytes(factor), 1).Node("Mul", ["x", "f"], "s");
            return isExternal ? graph.ExternalWeight("w", "m.bin", 2).Node("Add", ["s", "w"], "y") : graph.Node("Identity", ["s"], "y");
        }

        Graph(3).Write(path);
        File.WriteAllBytes(copy.PathOf("m.bin"), [.. BitConverter.GetBytes(10f), .. BitConverter.GetBytes(20f)]);
        float[] added = isExternal ? [10, 20] : [0, 0];
        using OnnxSession file = OnnxSession.Load(GraphSource.OfFile(path), "cpu", Loading.Environment);
        using OnnxSession rewritten = OnnxSession.Load(GraphSource.Rewritten(path, Graph(5).ToBytes()), "cpu", Loading.Environment);
        using OnnxSession shaped = OnnxSession.Load(
            GraphSource.Rewritten(path, Graph(7).ToBytes()),
            "cpu",
            Loading.Environment,
            fixShapes: true);
        Assert.Equal([3 + added[0], 6 + added[1]], EchoLease.Run(file, [1, 2]));
        Assert.Equal([5 + added[0], 10 + added[1]], EchoLease.Run(rewritten, [1, 2]));
        Assert.Equal(path, rewritten.Path);
        OnnxSession ofShape = shaped.ForShapes([(shaped.Inputs[0], [2])]);
        Assert.Equal([7 + added[0], 14 + added[1]], EchoLease.Run(ofShape, [1, 2]));
        ofShape.Release();
        Assert.Equal(
            path,
            Assert
                .Throws<ModelFolderException>(() => OnnxSession.Load(GraphSource.Rewritten(path, [1, 2, 3]), "cpu", Loading.Environment))
                .Path);
    }

    private static async Task<ClipLease> Clip(OnnxModelStore store, ModelCopy copy) =>
        await store.LeaseAsync<ClipLease>(
            new() { Folder = ClipFolder.Open(copy.Path), Provider = "cpu" },
            TestContext.Current.CancellationToken);

    private static TinyGraph Echo(string? task)
    {
        TinyGraph graph = new TinyGraph().Input("x", TinyGraph.Float, 2).Output("y", TinyGraph.Float, 2)
            .Weight("f", TinyGraph.Float, BitConverter.GetBytes(3f), 1).Node("Mul", ["x", "f"], "y");
        return task is null ? graph : graph.Metadata("task", task);
    }

    /// <summary>Graphs that say in their metadata what they are.</summary>
    private sealed class EchoFormat : IModelFormat
    {
        public ModelKind Kind { get; } = new("echo");

        public string Layout => "an .onnx with the metadata task (echo)";

        public bool Matches(string path) =>
            Path.GetExtension(path) == ".onnx" && File.Exists(path) && GraphFacts.Read(path).Metadata.ContainsKey("task");

        public ModelFolder Read(ModelLocation location) => new EchoFolder(location);
    }

    private sealed class EchoFolder(ModelLocation location) : ModelFolder(location, new("echo"))
    {
        private readonly string _graph = System.IO.Path.GetFileName(location.Path);

        public Action? BeforeListing { get; init; }

        protected internal override IEnumerable<string> Graphs
        {
            get
            {
                BeforeListing?.Invoke();
                return [_graph];
            }
        }

        protected internal override IEnumerable<string> Configurations => [];
    }

    private sealed class EchoLoader : OnnxModelLoader<EchoFolder, EchoLease>
    {
        public override string Loads => "an echo";

        private protected override async Task<LoadedModel> LoadAsync(EchoFolder folder, ProviderInUse provider, OnnxEnvironment environment)
        {
            folder.DescribeGraphs();
            return await Task.Run(() =>
                new LoadedEcho(folder, provider, OnnxSession.Load(folder.PathOf(folder.Files[0]), provider.Name, environment)));
        }
    }

    private sealed class LoadedEcho(EchoFolder folder, ProviderInUse provider, OnnxSession session)
        : LoadedModel(provider, folder.Precision, HashAsync(folder))
    {
        public OnnxSession Session => session;

        public override ModelLease Lend(Action giveBack) => new EchoLease(this, giveBack);

        public override void Dispose() => session.Dispose();
    }

    private sealed class EchoLease(LoadedEcho model, Action giveBack) : ModelLease
    {
        private Action? _giveBack = giveBack;

        public override ProviderInUse Provider => model.Provider;

        public override string Precision => model.Precision;

        public override Task<ModelHashes> Hashes => model.Hashes;

        public float[] Run(float[] values) => Run(model.Session, values);

        public static unsafe float[] Run(OnnxSession session, float[] values)
        {
            fixed (float* pinned = values)
            {
                using EncoderCall call = new();
                call.AddPinned(session.Inputs[0], pinned, values.Length, values.Length);
                using var results = call.Run(session, [session.Outputs[0].Name], CancellationToken.None);
                return TensorElements.ToFloats(results[0]);
            }
        }

        protected override void Dispose(bool disposing) => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
    }
}
