using DiffusionClip.Onnx;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace DiffusionClip.Hosting;

/// <summary>Fills the options from the section <see cref="DiffusionClipOptions.Section"/>.</summary>
/// <param name="configuration">The whole configuration.</param>
internal sealed class DiffusionClipOptionsSetup(IConfiguration configuration) : IConfigureOptions<DiffusionClipOptions>
{
    /// <inheritdoc/>
    public void Configure(DiffusionClipOptions options) => OptionsReader.Bind(configuration, DiffusionClipOptions.Section, options);
}

/// <summary>Refuses values out of range, from configuration and code alike.</summary>
internal sealed class DiffusionClipOptionsValidation : IValidateOptions<DiffusionClipOptions>
{
    /// <inheritdoc/>
    /// <exception cref="InvalidRequestException">A value is out of range; it is thrown as it is, since its one line says all.</exception>
    public ValidateOptionsResult Validate(string? name, DiffusionClipOptions options)
    {
        OptionsReader.Validate(options);
        return ValidateOptionsResult.Success;
    }
}

/// <summary>Hands the part of the options that is the runtime's on to it.</summary>
/// <param name="options">The options.</param>
internal sealed class OnnxOptionsSetup(IOptions<DiffusionClipOptions> options) : IConfigureOptions<OnnxOptions>
{
    /// <inheritdoc/>
    public void Configure(OnnxOptions onnx)
    {
        RuntimeOptions runtime = options.Value.Runtime;
        onnx.Provider = options.Value.Provider;
        onnx.Threads = runtime.Threads;
        onnx.Spinning = runtime.Spinning;
        onnx.KeepLoaded = runtime.KeepLoaded;
        onnx.MemoryBudget = runtime.MemoryBudget;
    }
}
