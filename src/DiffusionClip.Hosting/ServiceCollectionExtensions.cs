using DiffusionClip.Conditioning;
using DiffusionClip.Conditioning.Families;
using DiffusionClip.Hosting;
using DiffusionClip.Imaging;
using DiffusionClip.Onnx;
using DiffusionClip.Reporting;
using DiffusionClip.Runtime;
using DiffusionClip.Scoring;
using DiffusionClip.Selection;
using DiffusionClip.Skia;
using DiffusionClip.Tokenization;
using DiffusionClip.Verification;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>The one composition root of DiffusionClip.</summary>
public static class DiffusionClipServiceCollectionExtensions
{
    /// <summary>
    /// Adds <see cref="DiffusionClip.ImagePipeline"/> and everything it needs. What is registered already stays: a second call adds
    /// nothing, and a host replaces a service by registering its own first.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">
    /// Its section <c>DiffusionClip</c> is read; an unknown key or a value out of range is an error that names it. Null: the defaults.
    /// Further settings are laid over it by <c>services.Configure&lt;DiffusionClipOptions&gt;</c>.
    /// </param>
    /// <param name="contentRoot">
    /// What relative model folders are relative to; null: the nearest folder at or above the working folder, else the program's, that
    /// holds settings or models.
    /// </param>
    /// <exception cref="DiffusionClip.InvalidRequestException">A key is unknown or a value cannot be used.</exception>
    public static IServiceCollection AddDiffusionClip(
        this IServiceCollection services, IConfiguration? configuration = null, string? contentRoot = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        AddOptions(services, configuration ?? new ConfigurationBuilder().Build());
        services.TryAddSingleton(provider => ContentRoot.Catalog(provider.GetRequiredService<DiffusionClipOptions>(), contentRoot));
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<TokenizerCache>();
        services.TryAddSingleton<IModelStore, OnnxModelStore>();
        services.TryAddSingleton<IGraphTrials, OnnxGraphTrials>();
        services.TryAddSingleton<IImageCodec, SkiaImageCodec>();
        services.TryAddSingleton<ITextRasterizer, SkiaTextRasterizer>();
        services.TryAddSingleton<PictureEncoder>();
        services.TryAddSingleton<ScorerCatalog>();
        services.TryAddSingleton<DiffusionClip.ImagePipeline>();
        services.TryAddSingleton<ModelVerifier>();

        // Extension points: a host adds its own beside these.
        services.TryAddEnumerable(
        [
            ServiceDescriptor.Singleton<IModelFamily, StableDiffusion>(),
            ServiceDescriptor.Singleton<IModelFamily, StableDiffusionXl>(),
            ServiceDescriptor.Singleton<IModelFamily, LatentConsistency>(),
            ServiceDescriptor.Singleton<DiffusionClip.ISearchStrategyFactory, BestOfNFactory>(),
        ]);
        return services;
    }

    private static void AddOptions(IServiceCollection services, IConfiguration configuration)
    {
        // A mistyped key fails here, where the host is composed, and not at the first request.
        OptionsReader.Read(configuration);
        services.AddOptions<DiffusionClipOptions>().ValidateOnStart();
        services.AddOptions<OnnxOptions>();
        services.TryAddEnumerable(
        [
            ServiceDescriptor.Singleton<IConfigureOptions<DiffusionClipOptions>>(new DiffusionClipOptionsSetup(configuration)),
            ServiceDescriptor.Singleton<IValidateOptions<DiffusionClipOptions>, DiffusionClipOptionsValidation>(),
            ServiceDescriptor.Singleton<IConfigureOptions<OnnxOptions>, OnnxOptionsSetup>(),
        ]);
        services.TryAddSingleton(provider => provider.GetRequiredService<IOptions<DiffusionClipOptions>>().Value);
        services.TryAddSingleton<DiffusionClip.PipelineOptions>(provider => provider.GetRequiredService<DiffusionClipOptions>());
        services.TryAddSingleton(provider => provider.GetRequiredService<IOptions<OnnxOptions>>().Value);
        services.TryAddSingleton(provider =>
        {
            DiffusionClip.LimitOptions limits = provider.GetRequiredService<DiffusionClipOptions>().Limits;
            return new ImageLimits(limits.ImagePixels, limits.ImageBytes);
        });
    }
}
