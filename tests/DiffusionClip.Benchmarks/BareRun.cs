using DiffusionClip.Denoising;
using DiffusionClip.Models;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Benchmarks;

/// <summary>
/// The bare counterpart of a request: the same graphs in the same shapes, run as often and in the same order as the pipeline
/// runs them, and nothing between the runs.
/// </summary>
internal sealed class BareRun : IDisposable
{
    private readonly ImageRequest _request;
    private readonly BareGraph[] _texts;
    private readonly BareGraph _unet;
    private readonly BareGraph _decoder;
    private readonly BareGraph? _clipText;
    private readonly BareGraph? _clipImage;
    private readonly int _runs;

    /// <summary>Prepares the graphs.</summary>
    /// <param name="request">The normalized request.</param>
    /// <param name="catalog">Where its models are.</param>
    /// <param name="batched">Whether both halves of guidance share a run.</param>
    /// <param name="sessions">
    /// Gives the pipeline's own session of a graph, for models too large to be there twice; null: loads sessions here.
    /// </param>
    public BareRun(ImageRequest request, ModelCatalog catalog, bool batched, Func<string, InferenceSession>? sessions = null)
    {
        _request = request;
        SamplingRequest sampling = request.Sampling;
        GeneratorFolder folder = catalog.ResolveGenerator(request.Model.Id!);
        IScheduler scheduler = SchedulerCatalog.Configure(folder.Scheduler, sampling.Scheduler, sampling.SchedulerOptions)
            .Build(new ScheduleRequest { NumInferenceSteps = sampling.NumInferenceSteps, Eta = sampling.Eta });
        Evaluations = scheduler.Evaluations;
        IsGuided = sampling.GuidanceScale > 1;
        _runs = Evaluations * (IsGuided && !batched ? 2 : 1);
        int rows = IsGuided && batched ? 2 : 1;
        (int height, int width) = (
            sampling.Height!.Value / folder.Decoder.SpatialScale,
            sampling.Width!.Value / folder.Decoder.SpatialScale);
        TextEncoderFolder text = folder.TextEncoders[0];
        BareGraph Graph(ModelFolder model, string graph, Func<int, long[]> free) =>
            sessions is null ? new BareGraph(model.PathOf(graph), free) : new BareGraph(sessions(model.PathOf(graph)), free);
        _texts = [.. folder.TextEncoders.Select(part => Graph(folder, part.Graph, _ => [1, part.TokenLimit]))];
        _unet = Graph(folder, folder.Denoiser.Graph, rank => rank switch
        {
            4 => [rows, folder.Denoiser.InChannels, height, width],
            3 => [rows, text.TokenLimit, folder.Denoiser.CrossAttentionDim ?? text.HiddenSize],
            _ => [rows],
        });
        _decoder = Graph(folder, folder.Decoder.Graph, _ => [1, folder.Decoder.LatentChannels, height, width]);
        if (request.Search.Scorers is [{ Id: var name }])
        {
            ClipFolder clip = catalog.ResolveScorer(name);
            _clipText = Graph(clip, clip.TextGraph, _ => [1, clip.TokenLimit]);
            _clipImage = Graph(clip, clip.ImageGraph, _ => [1, 3, clip.Preprocessing.Height, clip.Preprocessing.Width]);
        }
    }

    public int Evaluations { get; }

    public bool IsGuided { get; }

    /// <summary>Runs it all once.</summary>
    /// <param name="stages">Seconds by stage.</param>
    public void Run(StageLog stages)
    {
        stages.Begin();
        stages.Time(Stage.Conditioning, () =>
        {
            for (int i = 0; i < (IsGuided ? 2 : 1); i++)
            {
                Array.ForEach(_texts, graph => graph.Run());
            }
        });
        for (int candidate = 0; candidate < _request.Search.Candidates; candidate++)
        {
            stages.Time(Stage.Denoising, () =>
            {
                for (int run = 0; run < _runs; run++)
                {
                    _unet.Run();
                }
            });
            stages.Time(Stage.Decoding, _decoder.Run);
            if (_clipText is not null)
            {
                stages.Time(Stage.Scoring, () =>
                {
                    if (candidate == 0)
                    {
                        _clipText.Run();
                    }

                    _clipImage!.Run();
                });
            }
        }
    }

    /// <summary>Runs every graph once.</summary>
    public void WarmUp()
    {
        Array.ForEach(_texts, graph => graph.Run());
        _unet.Run();
        _decoder.Run();
        _clipText?.Run();
        _clipImage?.Run();
    }

    public void Dispose()
    {
        Array.ForEach(_texts, graph => graph.Dispose());
        _unet.Dispose();
        _decoder.Dispose();
        _clipText?.Dispose();
        _clipImage?.Dispose();
    }
}

/// <summary>Seconds by stage, of one run after the other.</summary>
internal sealed class StageLog
{
    private readonly List<Dictionary<string, double>> _runs = [];

    public void Begin() => _runs.Add([]);

    public void Clear() => _runs.Clear();

    public void Add(string stage, double seconds) => _runs[^1][stage] = _runs[^1].GetValueOrDefault(stage) + seconds;

    public void Time(Stage stage, Action action) => Add(stage.ToString(), Measure.Seconds(action));

    /// <summary>Median over the runs; 0 for a stage that did not run.</summary>
    public double Median(string stage) => Measure.Median(_runs.Select(run => run.GetValueOrDefault(stage)));
}
