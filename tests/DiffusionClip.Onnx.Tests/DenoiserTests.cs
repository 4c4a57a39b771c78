using DiffusionClip.Families;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

/// <summary>Not beside other tests: one of these measures the memory of the whole process.</summary>
[CollectionDefinition(nameof(DenoiserTests), DisableParallelization = true)]
[Collection(nameof(DenoiserTests))]
public sealed class DenoiserTests
{
    private static readonly LatentShape Shape = new(4, 8, 8);

    [Theory]
    [InlineData("sd1-tiny-random", true, false)]
    [InlineData("sd1-tiny-random-int64", true, true)]
    [InlineData("sd1-tiny-random-older", false, false)]
    [InlineData("sd1-tiny-random-external", true, false)]
    [InlineData("sd1-tiny-random-fp16", true, false)]
    [InlineData("sd2-tiny-random", true, false)]
    [InlineData("turbo-tiny-random", true, false)]
    [InlineData("lcm-tiny-random", true, false)]
    [InlineData("sdxl-tiny-random", true, false)]
    [InlineData("sd1-inpaint-tiny-random", true, false)]
    public void Every_layout_is_mapped_and_runs(string name, bool sharesTimestep, bool integer)
    {
        GeneratorFolder folder = Folders.Generator(Loading.Tiny(name));
        using OnnxDenoiser denoiser = Loading.Denoiser(folder);
        DenoiserDescriptor descriptor = denoiser.Descriptor;
        Assert.Equal(
            (sharesTimestep, integer),
            (denoiser.Ports.Timestep.Rank == 0 || denoiser.Ports.Timestep.Fixed(0) == 1, denoiser.Ports.Timestep.IsInteger));
        Assert.Equal(folder.Denoiser.InChannels, descriptor.InChannels);
        Assert.Equal(4, descriptor.OutChannels);
        Assert.Equal(folder.Denoiser.CrossAttentionDim, descriptor.CrossAttentionDim);
        Assert.Equal(folder.Denoiser.TimeCondProjDim ?? 0, descriptor.WidthOf(ConditioningRole.GuidanceEmbeds));
        Assert.Equal(
            name.StartsWith("sdxl", StringComparison.Ordinal) ? (24, 6) : (0, 0),
            (descriptor.WidthOf(ConditioningRole.PooledEmbeds), descriptor.WidthOf(ConditioningRole.TimeIds)));

        // Rows of one run and runs of one row are the same, and rows do not mix.
        TextConditioning[] conditionings = [Conditioning(descriptor, 1), Conditioning(descriptor, 2)];
        using IDenoiserBinding both = denoiser.Bind(Shape, 2, 77);
        using IDenoiserBinding one = denoiser.Bind(Shape, 1, 77);
        float tolerance = name.EndsWith("fp16", StringComparison.Ordinal) ? 1e-2f : 1e-4f;
        for (int row = 0; row < 2; row++)
        {
            both.SetConditioning(row, conditionings[row]);
            Loading.Numbers(descriptor.InChannels * 64, 7 + row).CopyTo(both.Sample(row));
        }

        both.Run(500);
        for (int row = 0; row < 2; row++)
        {
            one.SetConditioning(0, conditionings[row]);
            both.Sample(row).CopyTo(one.Sample(0));
            one.Run(500);
            Assert.InRange(Loading.WorstDifference(one.ModelOutput(0), both.ModelOutput(row)), 0, tolerance);
            Assert.Contains(one.ModelOutput(0).ToArray(), value => Math.Abs(value) > 1e-3f);
        }

        Assert.True(Loading.WorstDifference(both.ModelOutput(0), both.ModelOutput(1)) > 1e-3f);

        // The timestep arrives.
        float[] before = one.ModelOutput(0).ToArray();
        one.Run(10);
        Assert.True(Loading.WorstDifference(before, one.ModelOutput(0)) > 1e-3f);
    }

    [Theory]
    [InlineData("sd1-tiny-random-int64", 1e-5f)]
    [InlineData("sd1-tiny-random-older", 1e-5f)]
    [InlineData("sd1-tiny-random-external", 1e-5f)]
    [InlineData("sd1-tiny-random-fp16", 0.05f)]
    public void Other_exports_of_one_model_give_the_same(string name, float tolerance)
    {
        GeneratorFolder original = Folders.Generator(Loading.Tiny("sd1-tiny-random")),
            other = Folders.Generator(Loading.Tiny(name));
        Assert.InRange(
            Loading.WorstDifference(
                Evaluate(original, out float[] text, out float[] picture),
                Evaluate(other, out float[] otherText, out float[] otherPicture)),
            0,
            tolerance);
        Assert.InRange(Loading.WorstDifference(text, otherText), 0, tolerance);
        Assert.InRange(Loading.WorstDifference(picture, otherPicture), 0, tolerance);
    }

    [Theory]
    [InlineData("sd1-tiny-random")]
    [InlineData("sd1-tiny-random-fp16")]
    [InlineData("sd1-tiny-random-int64")]
    public void A_run_allocates_no_managed_byte(string name)
    {
        using OnnxDenoiser denoiser = Loading.Denoiser(Folders.Generator(Loading.Tiny(name)));
        using IDenoiserBinding binding = denoiser.Bind(Shape, 2, 77);
        TextConditioning a = Conditioning(denoiser.Descriptor, 1), b = Conditioning(denoiser.Descriptor, 2);
        void Evaluate(float timestep)
        {
            binding.SetConditioning(0, a);
            binding.SetConditioning(1, b);
            binding.Sample(0)[0] += binding.ModelOutput(1)[0];
            binding.Run(timestep);
        }

        Evaluate(1);
        Evaluate(2);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            Evaluate(i);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Conditioning_is_uploaded_when_it_changes()
    {
        using OnnxDenoiser denoiser = Loading.Denoiser(Folders.Generator(Loading.Tiny("sd1-tiny-random")));
        using IDenoiserBinding binding = denoiser.Bind(Shape, 1, 77);
        Loading.Numbers(256).CopyTo(binding.Sample(0));
        TextConditioning a = Conditioning(denoiser.Descriptor, 1), b = Conditioning(denoiser.Descriptor, 2);
        binding.SetConditioning(0, a);
        binding.Run(3);
        float[] first = binding.ModelOutput(0).ToArray();
        binding.SetConditioning(0, b);
        binding.Run(3);
        Assert.True(Loading.WorstDifference(first, binding.ModelOutput(0)) > 1e-4f);
        binding.SetConditioning(0, a);
        binding.Run(3);
        Assert.Equal(first, binding.ModelOutput(0).ToArray());
    }

    [Fact]
    public async Task Threads_share_a_session_and_get_the_bits_of_one()
    {
        using OnnxDenoiser denoiser = Loading.Denoiser(Folders.Generator(Loading.Tiny("sd1-tiny-random")));
        float[] expected = Run(0);
        float[][] results = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            float[] last = [];
            for (int i = 0; i < 10; i++)
            {
                last = Run(i);
            }

            return last;
        })));
        Assert.All(results, result => Assert.InRange(Loading.WorstDifference(expected, result), 0, 1e-5f));

        float[] Run(int _)
        {
            using IDenoiserBinding binding = denoiser.Bind(Shape, 1, 77);
            binding.SetConditioning(0, Conditioning(denoiser.Descriptor, 3));
            Loading.Numbers(256, 5).CopyTo(binding.Sample(0));
            binding.Run(42);
            return binding.ModelOutput(0).ToArray();
        }
    }

    [Fact]
    public async Task A_run_is_ended_from_outside_and_the_session_goes_on()
    {
        using ModelCopy copy = new();
        using OnnxDenoiser denoiser = Slow(copy);
        using IDenoiserBinding ended = denoiser.Bind(new(4, 256, 256), 1, 1);
        ended.SetConditioning(0, new(new float[8], 1));
        Task run = Task.Run(() => ended.Run(1), TestContext.Current.CancellationToken);
        await Task.Delay(50, TestContext.Current.CancellationToken);
        ended.Terminate();
        await Assert.ThrowsAsync<OperationCanceledException>(() => run);

        // The binding is done for, the session is not.
        Assert.Throws<OperationCanceledException>(() => ended.Run(1));
        using IDenoiserBinding next = denoiser.Bind(new(4, 8, 8), 1, 1);
        next.SetConditioning(0, new(new float[8], 1));
        next.Sample(0).Fill(0.25f);
        next.Run(1);
        Assert.True(float.IsFinite(next.ModelOutput(0)[0]));
    }

    [Fact]
    public async Task Disposing_a_binding_ends_its_run_and_waits_for_it()
    {
        using ModelCopy copy = new();
        using OnnxDenoiser denoiser = Slow(copy);
        IDenoiserBinding binding = denoiser.Bind(new(4, 256, 256), 1, 1);
        binding.SetConditioning(0, new(new float[8], 1));
        Task run = Task.Run(() => binding.Run(1), TestContext.Current.CancellationToken);
        await Task.Delay(50, TestContext.Current.CancellationToken);
        binding.Dispose();
        Assert.True(run.IsCompleted || await Task.WhenAny(run, Task.Delay(5000, TestContext.Current.CancellationToken)) == run);
        await Assert.ThrowsAsync<OperationCanceledException>(() => run);
        binding.Dispose();
        binding.Terminate();
        Assert.Throws<ObjectDisposedException>(() => binding.Run(1));
    }

    [Fact]
    public void A_binding_outlives_its_denoiser()
    {
        OnnxDenoiser denoiser = Loading.Denoiser(Folders.Generator(Loading.Tiny("sd1-tiny-random")));
        using IDenoiserBinding binding = denoiser.Bind(Shape, 1, 77);
        denoiser.Dispose();
        denoiser.Dispose();
        binding.SetConditioning(0, Conditioning(denoiser.Descriptor, 1));
        binding.Run(1);
        Assert.Throws<ObjectDisposedException>(() => denoiser.Bind(Shape, 1, 77));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void A_fixed_batch_is_respected(int batch)
    {
        using ModelCopy copy = new();

        // out = sample · timestep + sum of the embeddings' first token.
        new TinyGraph()
            .Input("sample", TinyGraph.Float, batch, 4, "h", "w")
            .Input("timestep", TinyGraph.Float, batch)
            .Input("encoder_hidden_states", TinyGraph.Float, batch, 1, 8)
            .Output("out_sample", TinyGraph.Float, batch, 4, "h", "w")
            .Weight("shape", TinyGraph.Int64, Longs(batch, 1, 1, 1), 4)
            .Weight("axes", TinyGraph.Int64, Longs(2), 1)
            .Node("Reshape", ["timestep", "shape"], "t").Node("Mul", ["sample", "t"], "st")
            .Node("ReduceSum", ["encoder_hidden_states", "axes"], "sum").Node("Reshape", ["sum", "shape"], "sum4")
            .Node("Add", ["st", "sum4"], "out_sample")
            .Write(copy.PathOf("unet/model.onnx"));
        using OnnxDenoiser denoiser = Loading.Denoiser(copy.PathOf("unet/model.onnx"));
        using IDenoiserBinding binding = denoiser.Bind(new(4, 8, 8), 3, 1);
        for (int row = 0; row < 3; row++)
        {
            binding.Sample(row).Fill(row + 1);
            binding.SetConditioning(row, new(Enumerable.Repeat((float)row, 8).ToArray(), 1));
        }

        binding.Run(10);
        for (int row = 0; row < 3; row++)
        {
            Assert.All(binding.ModelOutput(row).ToArray(), value => Assert.Equal((10 * (row + 1)) + (8 * row), value));
        }
    }

    [Fact]
    public void Sessions_of_one_shape_each_give_what_one_for_all_gives()
    {
        // What DirectML gets, tried on the processor.
        GeneratorFolder folder = Folders.Generator(Loading.Tiny("sd1-tiny-random-older"));
        OnnxSession shapes = OnnxSession.Load(
            GraphSource.OfFile(folder.PathOf("unet/model.onnx")),
            "cpu",
            Loading.Environment,
            fixShapes: true);
        using OnnxDenoiser each = new(shapes, folder.Denoiser, UnetFamily.Signature(folder.Denoiser)),
            all = Loading.Denoiser(folder);
        Assert.Equivalent(all.Descriptor, each.Descriptor);
        for (int i = 0; i < 6; i++)
        {
            LatentShape shape = new(4, 8 + (2 * (i % 5)), 8);
            Assert.Equal(Run(all, shape, 1 + (i % 2)), Run(each, shape, 1 + (i % 2)), (a, b) => Math.Abs(a - b) < 1e-4f);
        }

        Assert.Equal(4, shapes.Shapes);

        static float[] Run(OnnxDenoiser denoiser, LatentShape shape, int rows)
        {
            using IDenoiserBinding binding = denoiser.Bind(shape, rows, 77);
            for (int row = 0; row < rows; row++)
            {
                binding.SetConditioning(row, Conditioning(denoiser.Descriptor, row + 1));
                Loading.Numbers(shape.Length, row).CopyTo(binding.Sample(row));
            }

            binding.Run(77);
            return binding.ModelOutput(rows - 1).ToArray();
        }
    }

    [Fact]
    public void Graphs_that_cannot_be_mapped_list_what_was_found_and_expected()
    {
        using ModelCopy copy = new();
        string path = copy.PathOf("m.onnx");

        // Other names do where only one input fits.
        Unet("a", "b", "c").Write(path);
        using (Loading.Denoiser(path)) 
        {
        }

        Refused(
            Unet("sample", "timestep", "encoder_hidden_states")
                .Input("down_block_0_additional_residual", TinyGraph.Float, "b", 4, "h", "w"),
            "input down_block_0_additional_residual float[b,4,h,w] has no known role",
            "expected inputs sample, timestep, encoder_hidden_states",
            "found inputs sample float[b,4,h,w]");
        Refused(
            new TinyGraph().Input("x", TinyGraph.Float, 1).Output("y", TinyGraph.Float, 1).Node("Identity", ["x"], "y"),
            "no input for sample",
            "found inputs x float[1] and outputs y float[1]");
        Refused(
            new TinyGraph()
                .Input("sample", TinyGraph.Int64, "b", 4, "h", "w")
                .Output("y", TinyGraph.Int64, "b", 4, "h", "w")
                .Node("Identity", ["sample"], "y"),
            "sample int64[b,4,h,w] cannot be sample");

        void Refused(TinyGraph graph, params string[] parts)
        {
            graph.Write(path);
            ModelFolderException exception = Assert.Throws<ModelFolderException>(() => Loading.Denoiser(path)) ;
            Assert.Equal(path, exception.Path);
            Assert.All(parts, part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
            Assert.DoesNotContain('\n', exception.Message);
        }
    }

    [Fact]
    public void A_graph_of_another_model_is_named()
    {
        using ModelCopy copy = new();
        Unet("sample", "timestep", "encoder_hidden_states").Write(copy.PathOf("m.onnx"));
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => Loading.Denoiser(copy.PathOf("m.onnx"), width: 768));
        Assert.Contains("width of text embeddings is 8", exception.Message, StringComparison.Ordinal);
        Assert.Contains("768", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_graph_is_named_by_the_session()
    {
        using ModelCopy copy = new();
        byte[] whole = File.ReadAllBytes(Path.Combine(Loading.Tiny("sd1-tiny-random"), "unet", "model.onnx"));
        File.WriteAllBytes(copy.PathOf("m.onnx"), whole[..5000]);
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => Loading.Session(copy.PathOf("m.onnx")));
        Assert.Equal(copy.PathOf("m.onnx"), exception.Path);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    public void Wrong_shapes_are_refused_before_the_run()
    {
        using OnnxDenoiser denoiser = Loading.Denoiser(Folders.Generator(Loading.Tiny("sd1-tiny-random")));
        Assert.Throws<ArgumentException>(() => denoiser.Bind(new(3, 8, 8), 1, 77));
        Assert.Throws<ArgumentOutOfRangeException>(() => denoiser.Bind(Shape, 0, 77));
        using IDenoiserBinding binding = denoiser.Bind(Shape, 1, 77);
        Assert.Throws<InvalidOperationException>(() => binding.Run(1));
        Assert.Throws<ArgumentException>(() => binding.SetConditioning(0, new(new float[77 * 16], 77)));
        Assert.Throws<ArgumentException>(() => binding.SetConditioning(0, new(new float[76 * 32], 76)));
        Assert.Throws<ArgumentOutOfRangeException>(() => binding.SetConditioning(1, new(new float[77 * 32], 77)));
        Assert.Throws<ArgumentOutOfRangeException>(() => binding.Sample(-1));
    }

    [Fact]
    public void A_graph_of_one_size_names_it()
    {
        using ModelCopy copy = new();
        new TinyGraph()
            .Input("sample", TinyGraph.Float, "b", 4, 64, 64)
            .Input("timestep", TinyGraph.Float)
            .Input("encoder_hidden_states", TinyGraph.Float, "b", "s", 8)
            .Output("out_sample", TinyGraph.Float, "b", 4, 64, 64)
            .Node("Mul", ["sample", "timestep"], "out_sample")
            .Write(copy.PathOf("m.onnx"));
        using OnnxDenoiser denoiser = Loading.Denoiser(copy.PathOf("m.onnx"));
        Assert.Equal((64, 64), (denoiser.Descriptor.FixedHeight, denoiser.Descriptor.FixedWidth));
        Assert.Contains(
            "takes only 64x64",
            Assert.Throws<InvalidRequestException>(() => denoiser.Bind(new(4, 32, 64), 1, 77)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_thousand_runs_do_not_grow_the_process()
    {
        using OnnxDenoiser denoiser = Loading.Denoiser(Folders.Generator(Loading.Tiny("sd1-tiny-random")));
        TextConditioning conditioning = Conditioning(denoiser.Descriptor, 1);
        void Runs(int count)
        {
            for (int i = 0; i < count; i++)
            {
                // A binding of its own each, or leaked bindings would go unseen.
                using IDenoiserBinding binding = denoiser.Bind(Shape, 2, 77);
                binding.SetConditioning(0, conditioning);
                binding.SetConditioning(1, conditioning);
                binding.Run(i);
            }
        }

        Runs(100);
        long before = Resident();
        Runs(1000);
        Assert.InRange(Resident() - before, long.MinValue, 24L << 20);
    }

    // One binding's tensors are about 100 kB: a thousand leaked ones would show as 100 MB.
    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.PrivateMemorySize64 > 0 && OperatingSystem.IsWindows() ? process.PrivateMemorySize64 : process.WorkingSet64;
    }

    private static TextConditioning Conditioning(DenoiserDescriptor descriptor, int seed) =>
        new(Loading.Numbers(77 * descriptor.CrossAttentionDim, seed), 77, new Dictionary<ConditioningRole, ReadOnlyMemory<float>>
        {
            [ConditioningRole.GuidanceEmbeds] = Loading.Numbers(descriptor.WidthOf(ConditioningRole.GuidanceEmbeds), seed + 10),
            [ConditioningRole.PooledEmbeds] = Loading.Numbers(descriptor.WidthOf(ConditioningRole.PooledEmbeds), seed + 20),
            [ConditioningRole.TimeIds] = descriptor.WidthOf(ConditioningRole.TimeIds) > 0 ? new float[] { 64, 64, 0, 0, 64, 64 } : default,
        });

    private static float[] Evaluate(GeneratorFolder folder, out float[] text, out float[] picture)
    {
        using OnnxTextEncoder encoder = Loading.TextEncoder(folder);
        using OnnxDenoiser denoiser = Loading.Denoiser(folder);
        using OnnxLatentDecoder decoder = Loading.Decoder(folder);
        text = encoder.Encode(Loading.Ids(77), CancellationToken.None).LastHiddenState.ToArray();
        picture = new float[3 * 64 * 64];
        decoder.Decode(Loading.Numbers(256, 9), Shape, picture, CancellationToken.None);
        using IDenoiserBinding binding = denoiser.Bind(Shape, 1, 77);
        binding.SetConditioning(0, new(text, 77));
        Loading.Numbers(256, 3).CopyTo(binding.Sample(0));
        binding.Run(321);
        return binding.ModelOutput(0).ToArray();
    }

    private static TinyGraph Unet(string sample, string timestep, string text) => new TinyGraph()
        .Input(sample, TinyGraph.Float, "b", 4, "h", "w").Input(timestep, TinyGraph.Float).Input(text, TinyGraph.Float, "b", "s", 8)
        .Output("out_sample", TinyGraph.Float, "b", 4, "h", "w").Node("Mul", [sample, timestep], "out_sample");

    // Seconds of matrix products, node after node.
    private static OnnxDenoiser Slow(ModelCopy copy)
    {
        TinyGraph graph = new TinyGraph()
            .Input("sample", TinyGraph.Float, "b", 4, "h", "h")
            .Input("timestep", TinyGraph.Float)
            .Input("encoder_hidden_states", TinyGraph.Float, "b", "s", 8)
            .Output("out_sample", TinyGraph.Float, "b", 4, "h", "h")
            .Node("Mul", ["sample", "timestep"], "x0");
        const int nodes = 4000;
        for (int i = 0; i < nodes; i++)
        {
            graph.Node("MatMul", [$"x{i}", "sample"], $"y{i}").Node("Sigmoid", [$"y{i}"], $"x{i + 1}");
        }

        graph.Node("Identity", [$"x{nodes}"], "out_sample").Write(copy.PathOf("unet/model.onnx"));
        return Loading.Denoiser(copy.PathOf("unet/model.onnx"));
    }

    private static byte[] Longs(params long[] values) => System.Runtime.InteropServices.MemoryMarshal.AsBytes<long>(values).ToArray();
}
