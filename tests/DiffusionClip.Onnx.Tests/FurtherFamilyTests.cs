using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Families;
using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

/// <summary>What it takes to run a family of another make: one file (<see cref="FluxFamily"/>), registered.</summary>
public sealed class FurtherFamilyTests
{
    private static readonly FluxFamily Flux = new();
    private static readonly IModelFamily[] Families = [.. Folders.Families, Flux];

    [Fact]
    public void A_folder_of_no_known_family_says_what_it_is_and_what_is_run()
    {
        string folder = Path.GetFullPath(Loading.Tiny("flux-tiny-random"));
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => Folders.Open(folder));
        Assert.Equal(Path.Combine(folder, "model_index.json"), exception.Path);
        Assert.All(
            ["a FluxPipeline of scheduler FlowMatchEulerDiscreteScheduler", "transformer ORTModelTransformer", "tokenizer_2 T5Tokenizer",
                "stable-diffusion (StableDiffusionPipeline)", "stable-diffusion-xl (StableDiffusionXLPipeline)", "latent-consistency"],
            part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_transformer_with_packed_latents_runs_by_its_family_s_file_alone()
    {
        ModelFormats formats = new([new DiffusersFormat(Families), new ClipFormat()]);
        GeneratorFolder folder = formats.Open<GeneratorFolder>(Loading.Tiny("flux-tiny-random"), "a generator");
        Assert.Equal(("flux", 16), (folder.Family, folder.Decoder.LatentChannels));
        Assert.Contains("tokenizer_2/spiece.model", folder.Files);

        using OnnxModelStore store = new(new(), [new GeneratorLoader(Families)]);
        using GeneratorLease lease = await store.LeaseAsync<GeneratorLease>(
            new() { Folder = folder, Provider = "cpu" },
            TestContext.Current.CancellationToken);
        Assert.Equal([true, false], lease.Tokenizers.Select(tokenizer => tokenizer.StartId.HasValue));
        Assert.Equal(16, lease.Denoiser.Descriptor.InChannels);

        var sampling = new SamplingRequest { NumInferenceSteps = 4, Width = 64, Height = 48, GuidanceScale = 3.5f };
        var request = new ImageRequest { Prompt = new() { Text = "a (red:1.5) cat" }, Sampling = sampling };
        LatentShape shape = Flux.Shape(folder, 64, 48);
        SchedulerConfig scheduler = SchedulerCatalog.Configure(folder.Scheduler, null, null);
        IScheduler plan = scheduler.Build(Flux.Schedule(request, folder, scheduler, shape));
        Assert.Equal(4, plan.Evaluations);
        var prompt = Flux.Tokenize(folder, lease.Tokenizers, request.Prompt, PromptSteps.Of(plan, 4));
        Assert.Equal([0, 1], prompt.Texts.Where(text => text.Role == "prompt").Select(text => text.Encoder));
        TextConditioning conditioning = Flux.Encode(
                prompt,
                new()
                {
                    Folder = folder,
                    Sampling = sampling,
                    IsGuided = false,
                },
                lease.TextEncoders,
                TestContext.Current.CancellationToken)
            .At(0)
            .Positive;

        // Two rows at once and each by itself are the same, however the latents lie in the graph.
        using IDenoiserBinding both = lease.Denoiser.Bind(shape, 2, conditioning.SequenceLength),
            one = lease.Denoiser.Bind(shape, 1, conditioning.SequenceLength);
        one.SetConditioning(0, conditioning);
        for (int row = 0; row < 2; row++)
        {
            both.SetConditioning(row, conditioning);
            Loading.Numbers(shape.Length, 3 + row).CopyTo(both.Sample(row));
        }

        both.Run(700);
        for (int row = 0; row < 2; row++)
        {
            both.Sample(row).CopyTo(one.Sample(0));
            one.Run(700);
            Assert.InRange(Loading.WorstDifference(one.ModelOutput(0), both.ModelOutput(row)), 0, 1e-4f);
        }

        // The graph gets sigmas: a timestep of 300 is another level of noise.
        float[] before = one.ModelOutput(0).ToArray();
        one.Run(300);
        Assert.InRange(Loading.WorstDifference(before, one.ModelOutput(0)), 1e-5f, 1e3f);
    }

    [Fact]
    public void Packing_is_undone_by_unpacking()
    {
        var layout = new FluxFamily.TwoByTwo();
        var shape = new LatentShape(3, 4, 6);
        float[] latents = [.. Enumerable.Range(0, shape.Length).Select(i => (float)i)],
            packed = new float[shape.Length],
            back = new float[shape.Length];
        layout.Pack(latents, shape, packed);
        layout.Unpack(packed, shape, back);
        Assert.Equal(latents, back);
        Assert.Equal([0, 1, 6, 7, 24, 25], packed[..6]);
    }
}
