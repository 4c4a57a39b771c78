using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Worker.Watch;

/// <summary>
/// Loads the default generator and its scorer once at start, so that the first job finds them and readiness knows that they work.
/// </summary>
internal sealed partial class ModelWarmUp(
    IModelStore store,
    ModelCatalog catalog,
    PipelineOptions options,
    TimeProvider time,
    ILogger<ModelWarmUp> logger
) : BackgroundService
{
    private static readonly TimeSpan _retryDelay = TimeSpan.FromSeconds(15);
    private volatile string? _problem = "the default model is being loaded";

    /// <summary>Why the default model cannot be used, in one line; null if it can.</summary>
    public string? Problem => _problem;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The start of the host does not wait for models.
        await Task.Yield();
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                GeneratorFolder folder = catalog.ResolveGenerator(options.DefaultModel);
                using GeneratorLease generator = await store
                    .LeaseAsync<GeneratorLease>(new() { Folder = folder, Provider = options.Provider }, stoppingToken)
                    .ConfigureAwait(false);
                if (catalog.ScorerOf(folder) is { } clip)
                {
                    using ClipLease scorer = await store
                        .LeaseAsync<ClipLease>(new() { Folder = clip, Provider = options.Provider }, stoppingToken)
                        .ConfigureAwait(false);
                }

                _problem = null;
                return;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (exception is DiffusionClipException or IOException or UnauthorizedAccessException)
            {
                if (_problem != exception.Message)
                {
                    Failed(logger, options.DefaultModel, exception.Message);
                }

                _problem = exception.Message;
            }

            // The folder may be repaired meanwhile.
            await Task.Delay(_retryDelay, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(EventId = 10, Level = LogLevel.Error, Message = "the default model {Model} cannot be used: {Problem}")]
    private static partial void Failed(ILogger logger, string model, string problem);
}
