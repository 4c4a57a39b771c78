using DiffusionClip.Cli.Output;
using DiffusionClip.Hosting;
using DiffusionClip.Imaging;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace DiffusionClip.Cli;

/// <summary>What every verb has at hand.</summary>
/// <param name="Terminal">Where it writes.</param>
/// <param name="Interruption">When it has to stop.</param>
/// <param name="Settings">Configuration given on the command line, <c>Key:Sub=value</c> within the section.</param>
/// <param name="Configure">Replaces services, for tests.</param>
internal sealed record CliContext(
    Terminal Terminal,
    Interruption Interruption,
    IReadOnlyList<string> Settings,
    Action<IServiceCollection>? Configure)
{
    /// <summary>Composes the program: <c>appsettings.json</c> of the content root, then the environment, then the command line.</summary>
    /// <exception cref="InvalidRequestException">A key is unknown or a value cannot be used.</exception>
    public IHost BuildHost()
    {
        string root = ContentRoot.Find();
        string file = Path.Combine(root, "appsettings.json");
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(
            new HostApplicationBuilderSettings { ContentRootPath = root, DisableDefaults = true });
        try
        {
            builder.Configuration.AddJsonFile(file, optional: true, reloadOnChange: false);
        }
        catch (Exception exception)
            when (exception is InvalidDataException or FormatException or IOException or UnauthorizedAccessException)
        {
            throw new InvalidRequestException(
                "configuration",
                file,
                $"it has to be readable JSON ({exception.InnerException?.Message ?? exception.Message})");
        }

        builder.Configuration.AddEnvironmentVariables();
        builder.Configuration.AddInMemoryCollection(Settings.Select(Setting));
        builder.Services.AddDiffusionClip(builder.Configuration, root);
        Configure?.Invoke(builder.Services);
        return builder.Build();
    }

    /// <summary>Folder of the embedding cache: configured, else in the user's cache folder; null where there is none.</summary>
    public static string? CacheFolder(DiffusionClipOptions options)
    {
        if (options.CacheFolder is { Length: > 0 } configured)
        {
            return configured;
        }

        string? home = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg
            : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } user ? Path.Combine(user, ".cache")
            : null;
        return string.IsNullOrEmpty(home) ? null : Path.Combine(home, "diffusionclip", "embeddings");
    }

    /// <summary>What pictures may be read.</summary>
    public static ImageLimits Limits(IServiceProvider services) => services.GetRequiredService<ImageLimits>();

    private static KeyValuePair<string, string?> Setting(string setting)
    {
        int equals = setting.IndexOf('=', StringComparison.Ordinal);
        return equals > 0
            ? new($"{DiffusionClipOptions.Section}:{setting[..equals]}", setting[(equals + 1)..])
            : throw new InvalidRequestException("--set", setting, "give a key and a value, e.g. --set Limits:Steps=200");
    }
}
