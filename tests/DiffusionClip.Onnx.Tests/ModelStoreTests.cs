using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

public sealed class ModelStoreTests
{
    [Fact]
    public async Task External_data_that_leads_out_is_refused_before_anything_is_loaded()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need rights there");
        using ModelCopy copy = new(Loading.Tiny("sd1-tiny-random-external"));
        string data = copy.PathOf("unet/model.onnx_data"), outside = Path.Combine(copy.Root, "outside.bin");
        File.Move(data, outside);
        File.CreateSymbolicLink(data, outside);
        using OnnxModelStore store = new(new(), Loading.Loaders);
        ModelFolderException exception = await Assert.ThrowsAsync<ModelFolderException>(() =>
            store.LeaseAsync<GeneratorLease>(new() { Folder = Folders.Generator(copy.Path), Provider = "cpu" }, CancellationToken.None));
        Assert.Contains("a link that leads out of the folder", exception.Message, StringComparison.Ordinal);
        Assert.Equal(0, store.Loaded);
    }

    [Fact]
    public async Task Weights_in_the_blobs_of_the_hub_s_cache_are_loaded()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need rights there");
        string source = Loading.Tiny("sd1-tiny-random-external");
        using ModelCopy cache = new();
        string entry = cache.PathOf("models--org--sd"), snapshot = Path.Combine(entry, "snapshots", "rev");
        Directory.CreateDirectory(Path.Combine(entry, "blobs"));
        int blob = 0;
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            string stored = Path.Combine(entry, "blobs", $"blob{blob++}"),
                link = Path.Combine(snapshot, Path.GetRelativePath(source, file));
            File.Copy(file, stored);
            Directory.CreateDirectory(Path.GetDirectoryName(link)!);
            File.CreateSymbolicLink(link, stored);
        }

        using OnnxModelStore store = new(new(), Loading.Loaders);
        using GeneratorLease lease = await store.LeaseAsync<GeneratorLease>(
            new() { Folder = Folders.Generator(snapshot), Provider = "cpu" },
            TestContext.Current.CancellationToken);
        Assert.Equal("org/sd@rev", lease.Folder.Id);
    }

    [Fact]
    public async Task Beyond_the_memory_budget_idle_models_make_room_and_those_in_use_stay()
    {
        GeneratorFolder generator = Folders.Generator(Loading.Embedded("emoji-sd"));
        ClipFolder scorer = ClipFolder.Open(Loading.Embedded("emoji-clip"));
        long one = OnnxModelStore.EstimateBytes(generator), other = OnnxModelStore.EstimateBytes(scorer);
        Assert.InRange(one, 40L << 20, 120L << 20);
        using OnnxModelStore tight = new(new() { MemoryBudget = one + other - 1 }, Loading.Loaders),
            wide = new(new() { MemoryBudget = one + other }, Loading.Loaders);
        foreach ((OnnxModelStore store, int loaded) in new[] { (tight, 1), (wide, 2) })
        {
            (await store.LeaseAsync<GeneratorLease>(new() { Folder = generator, Provider = "cpu" }, CancellationToken.None)).Dispose();
            Assert.Equal(1, store.Loaded);
            using (await store.LeaseAsync<ClipLease>(new() { Folder = scorer, Provider = "cpu" }, CancellationToken.None))
            {
                Assert.Equal(loaded, store.Loaded);

                // What is in use stays, whatever the budget says.
                using GeneratorLease again = await store.LeaseAsync<GeneratorLease>(
                    new() { Folder = generator, Provider = "cpu" },
                    CancellationToken.None);
                Assert.Equal(2, store.Loaded);
            }

            Assert.Equal(loaded, store.Loaded);
        }

        Assert.Throws<InvalidRequestException>(() => new OnnxModelStore(new() { MemoryBudget = 0 }, Loading.Loaders));
    }

    [Fact]
    public async Task The_embedded_family_is_leased_with_its_hashes()
    {
        using OnnxModelStore store = new(new(), Loading.Loaders);
        Assert.StartsWith("ONNX Runtime 1.", store.Runtime, StringComparison.Ordinal);
        Assert.InRange(store.Threads, 1, 1024);
        GeneratorFolder folder = Folders.Generator(Loading.Embedded("emoji-sd"));
        using GeneratorLease lease = await store.LeaseAsync<GeneratorLease>(
            new() { Folder = folder, Provider = "cpu" },
            TestContext.Current.CancellationToken);
        Assert.True(lease.Hashes.IsCompletedSuccessfully);
        Assert.Equal(folder.Manifest!.Files, (await lease.Hashes).Files);
        Assert.Equal(("cpu", null), (lease.Provider.Name, lease.Provider.FallbackReason));
        Assert.Equal("float32", lease.Precision);
        Assert.Same(folder, lease.Folder);
        Assert.Single(lease.TextEncoders);
        Assert.Equal(192, lease.Denoiser.Descriptor.CrossAttentionDim);
        Assert.NotSame(lease.LatentDecoder, lease.PreviewDecoder);
        Assert.Same(lease.PreviewDecoder, lease.PreviewDecoder);
        Assert.True(lease.LatentEncoder!.GivesDistribution);

        using ClipLease scorer = await store.LeaseAsync<ClipLease>(
            new() { Folder = ClipFolder.Open(Loading.Embedded("emoji-clip")) },
            TestContext.Current.CancellationToken);
        Assert.Equal(192, scorer.TextEncoder.Encode(Loading.Ids(77), CancellationToken.None).Length);
        Assert.Equal(2, store.Loaded);
    }

    [Fact]
    public async Task Without_a_small_decoder_or_an_encoder_the_lease_says_so()
    {
        using ModelCopy copy = new(Loading.Tiny("sd1-tiny-random"));
        Directory.Delete(copy.PathOf("vae_encoder"), recursive: true);
        using OnnxModelStore store = new(new(), Loading.Loaders);
        using GeneratorLease lease = await store.LeaseAsync<GeneratorLease>(
            new() { Folder = Folders.Generator(copy.Path) },
            TestContext.Current.CancellationToken);
        Assert.Same(lease.LatentDecoder, lease.PreviewDecoder);
        Assert.Null(lease.LatentEncoder);
        Assert.Contains("unet/model.onnx", (await lease.Hashes).Files.Keys);
    }

    [Fact]
    public async Task Leases_at_once_load_once_and_models_stay_as_long_as_they_are_kept()
    {
        using OnnxModelStore store = new(new() { KeepLoaded = 1 }, Loading.Loaders);
        GeneratorFolder folder = Tiny();
        GeneratorLease[] leases = await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(_ => store.LeaseAsync<GeneratorLease>(new() { Folder = folder }, TestContext.Current.CancellationToken)));
        Assert.Equal(1, store.Loaded);
        Assert.All(leases, lease => Assert.Same(leases[0].Denoiser, lease.Denoiser));
        IDenoiser denoiser = leases[0].Denoiser;
        Array.ForEach(leases, lease => lease.Dispose());
        Assert.Equal(1, store.Loaded);

        using (
            GeneratorLease again = await store.LeaseAsync<GeneratorLease>(
                new() { Folder = folder },
                TestContext.Current.CancellationToken))
        {
            Assert.Same(denoiser, again.Denoiser);
        }

        // Room for one: the longest unused goes.
        using (
            await store.LeaseAsync<ClipLease>(
                new() { Folder = ClipFolder.Open(Loading.Tiny("clip-tiny-random")) },
                TestContext.Current.CancellationToken)
        ) { }

        Assert.Equal(1, store.Loaded);
        using GeneratorLease fresh = await store.LeaseAsync<GeneratorLease>(
            new() { Folder = folder },
            TestContext.Current.CancellationToken);
        Assert.NotSame(denoiser, fresh.Denoiser);
    }

    [Fact]
    public async Task A_lease_is_given_back_once_and_then_shows_nothing()
    {
        using OnnxModelStore store = new(new() { KeepLoaded = 0 }, Loading.Loaders);
        GeneratorLease first = await store.LeaseAsync<GeneratorLease>(new() { Folder = Tiny() }, TestContext.Current.CancellationToken);
        using GeneratorLease second = await store.LeaseAsync<GeneratorLease>(
            new() { Folder = Tiny() },
            TestContext.Current.CancellationToken);
        first.Dispose();
        first.Dispose();
        Assert.Throws<ObjectDisposedException>(() => first.Denoiser);
        Assert.Equal(1, store.Loaded);
        Run(second.Denoiser);
        second.Dispose();
        Assert.Equal(0, store.Loaded);
    }

    [Fact]
    public async Task Disposing_a_store_leaves_its_leases_alive()
    {
        OnnxModelStore store = new(new(), Loading.Loaders);
        GeneratorLease lease = await store.LeaseAsync<GeneratorLease>(new() { Folder = Tiny() }, TestContext.Current.CancellationToken);
        store.Dispose();
        store.Dispose();
        Run(lease.Denoiser);
        using IDenoiserBinding binding = lease.Denoiser.Bind(new(4, 8, 8), 1, 77);
        lease.Dispose();
        binding.SetConditioning(0, new(new float[77 * 32], 77));
        binding.Run(1);
        await Assert.ThrowsAsync<ObjectDisposedException>(() =>
            store.LeaseAsync<GeneratorLease>(new() { Folder = Tiny() }, CancellationToken.None));
        Assert.Equal(0, store.Loaded);
    }

    [Fact]
    public async Task Disposing_while_loading_is_safe()
    {
        for (int i = 0; i < 5; i++)
        {
            OnnxModelStore store = new(new(), Loading.Loaders);
            Task<GeneratorLease> leasing = store.LeaseAsync<GeneratorLease>(
                new() { Folder = Tiny() },
                TestContext.Current.CancellationToken);
            store.Dispose();
            using GeneratorLease lease = await leasing;
            Run(lease.Denoiser);
        }
    }

    [Fact]
    public async Task A_cancelled_lease_leaves_the_load_to_the_others()
    {
        using OnnxModelStore store = new(new(), Loading.Loaders);
        using CancellationTokenSource source = new();
        GeneratorFolder folder = Tiny();
        Task<GeneratorLease> first = store.LeaseAsync<GeneratorLease>(new() { Folder = folder }, source.Token);
        Task<GeneratorLease> second = store.LeaseAsync<GeneratorLease>(new() { Folder = folder }, TestContext.Current.CancellationToken);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        using GeneratorLease lease = await second;
        Run(lease.Denoiser);
    }

    [Fact]
    public async Task A_file_whose_hash_differs_is_named_with_both()
    {
        using ModelCopy copy = new(Loading.Embedded("emoji-clip"));
        string declared = ClipFolder.Open(copy.Path).Manifest!.Files["preprocessor_config.json"];
        File.AppendAllText(copy.PathOf("preprocessor_config.json"), "\n");
        using OnnxModelStore store = new(new(), Loading.Loaders);
        ModelFolderException exception = await Assert.ThrowsAsync<ModelFolderException>(() =>
            store.LeaseAsync<ClipLease>(new() { Folder = ClipFolder.Open(copy.Path) }, CancellationToken.None));
        Assert.Equal(copy.PathOf("preprocessor_config.json"), exception.Path);
        Assert.Contains(declared, exception.Message, StringComparison.Ordinal);
        Assert.Equal(0, store.Loaded);

        // Mended, it loads.
        File.Copy(
            Path.Combine(Loading.Embedded("emoji-clip"), "preprocessor_config.json"),
            copy.PathOf("preprocessor_config.json"),
            overwrite: true);
        using ClipLease lease = await store.LeaseAsync<ClipLease>(new() { Folder = ClipFolder.Open(copy.Path) }, CancellationToken.None);
        Assert.NotNull(lease.ImageEncoder);
    }

    [Fact]
    public async Task A_model_replaced_on_disk_is_another_model()
    {
        using ModelCopy copy = new(Loading.Tiny("sd1-tiny-random"));
        using OnnxModelStore store = new(new(), Loading.Loaders);
        using GeneratorLease old = await store.LeaseAsync<GeneratorLease>(
            new() { Folder = Folders.Generator(copy.Path) },
            TestContext.Current.CancellationToken);
        string identity = (await old.Hashes).Identity;
        File.WriteAllText(copy.PathOf("tokenizer/tokenizer_config.json"), """{"model_max_length": 77, "pad_token": "!"}""");
        using GeneratorLease replaced = await store.LeaseAsync<GeneratorLease>(
            new() { Folder = Folders.Generator(copy.Path) },
            TestContext.Current.CancellationToken);
        Assert.NotSame(old.Denoiser, replaced.Denoiser);
        Assert.NotEqual(identity, (await replaced.Hashes).Identity);
        Assert.Equal(identity, (await old.Hashes).Identity);
    }

    [Theory]
    [InlineData("unet/model.onnx")]
    [InlineData("text_encoder/model.onnx")]
    [InlineData("vae_decoder/model.onnx")]
    public async Task A_damaged_graph_is_named(string graph)
    {
        using ModelCopy copy = new(Loading.Tiny("sd1-tiny-random"));
        byte[] bytes = File.ReadAllBytes(copy.PathOf(graph));
        File.WriteAllBytes(copy.PathOf(graph), bytes[..(bytes.Length - 100)]);
        using OnnxModelStore store = new(new(), Loading.Loaders);
        ModelFolderException exception = await Assert.ThrowsAsync<ModelFolderException>(() =>
            store.LeaseAsync<GeneratorLease>(new() { Folder = Folders.Generator(copy.Path) }, CancellationToken.None));
        Assert.Equal(copy.PathOf(graph), exception.Path);
        Assert.Equal(0, store.Loaded);
    }

    [Fact]
    public void Options_out_of_range_are_named()
    {
        Assert.Contains(
            "threads: '0'",
            Assert.Throws<InvalidRequestException>(() => new OnnxModelStore(new() { Threads = 0 }, Loading.Loaders)).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "keep_loaded: '-1'",
            Assert.Throws<InvalidRequestException>(() => new OnnxModelStore(new() { KeepLoaded = -1 }, Loading.Loaders)).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "provider: 'tpu'",
            Assert.Throws<InvalidRequestException>(() => new OnnxModelStore(new() { Provider = "tpu" }, Loading.Loaders)).Message,
            StringComparison.Ordinal);
    }

    private static GeneratorFolder Tiny() => Folders.Generator(Loading.Tiny("sd1-tiny-random"));

    private static void Run(IDenoiser denoiser)
    {
        using IDenoiserBinding binding = denoiser.Bind(new(4, 8, 8), 1, 77);
        binding.SetConditioning(0, new(new float[77 * 32], 77));
        binding.Sample(0).Fill(0.5f);
        binding.Run(1);
        Assert.True(float.IsFinite(binding.ModelOutput(0)[0]));
    }
}
