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
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>The one composition root of DiffusionClip.</summary>
public static class DiffusionClipServiceCollectionExtensions
{
    /// <summary>Adds <see cref="DiffusionClip.ImagePipeline"/> and everything it needs.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">Its section <c>DiffusionClip</c> is read; an unknown key or a value out of range is an error that names it. Null: the defaults.</param>
    /// <param name="contentRoot">What relative model folders are relative to; null: the nearest folder at or above the working folder, else the program's, with the first of them in it.</param>
    /// <exception cref="DiffusionClip.InvalidRequestException">A key is unknown or a value cannot be used.</exception>
    public static IServiceCollection AddDiffusionClip(this IServiceCollection services, IConfiguration? configuration = null, string? contentRoot = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        DiffusionClipOptions options = OptionsReader.Read(configuration ?? new ConfigurationBuilder().Build());
        services.AddSingleton(options);
        services.AddSingleton<DiffusionClip.PipelineOptions>(options);
        services.AddSingleton(ContentRoot.Catalog(options, contentRoot));
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<TokenizerCache>();
        services.AddSingleton(new OnnxOptions
        {
            Provider = options.Provider,
            Threads = options.Runtime.Threads,
            Spinning = options.Runtime.Spinning,
            KeepLoaded = options.Runtime.KeepLoaded,
        });
        services.AddSingleton<IModelStore, OnnxModelStore>();
        services.AddSingleton<IImageCodec, SkiaImageCodec>();
        services.AddSingleton<ScorerSource>();
        services.AddSingleton<IModelFamily, StableDiffusion>();
        services.AddSingleton<IModelFamily, StableDiffusionXl>();
        services.AddSingleton<IModelFamily, LatentConsistency>();
        services.AddSingleton<DiffusionClip.ISearchStrategy, BestOfN>();
        services.AddSingleton<DiffusionClip.ImagePipeline>();
        services.AddSingleton<PictureEncoder>();
        services.AddSingleton<ITextRasterizer, SkiaTextRasterizer>();
        services.AddSingleton(new ImageLimits(options.Limits.ImagePixels, options.Limits.ImageBytes));
        return services;
    }
}
