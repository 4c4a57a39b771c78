using DiffusionClip.Imaging;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Cli.Inputs;

/// <summary>The files of <c>--init-image</c> and <c>--mask</c>: their pixels, and the names by which a request knows them.</summary>
internal sealed class OriginFiles
{
    private readonly Dictionary<string, RgbImage> _images = new(StringComparer.Ordinal);
    private string? _image;
    private string? _mask;

    /// <summary>The pictures by name, as <see cref="ImagePipeline.Prepare"/> takes them.</summary>
    public IReadOnlyDictionary<string, RgbImage> Images => _images;

    /// <summary>Reads the files that were named.</summary>
    /// <param name="image">Path of the picture to start from; null: none.</param>
    /// <param name="mask">Path of the mask; null: none.</param>
    /// <param name="services">The host's services.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="InvalidRequestException">A file cannot be read or is no picture.</exception>
    public static async Task<OriginFiles> ReadAsync(
        string? image,
        string? mask,
        IServiceProvider services,
        CancellationToken cancellationToken)
    {
        var files = new OriginFiles();
        files._image = await files.AddAsync("--init-image", image, services, cancellationToken).ConfigureAwait(false);
        files._mask = await files.AddAsync("--mask", mask, services, cancellationToken).ConfigureAwait(false);
        return files;
    }

    /// <summary>Writes the files' names into a request.</summary>
    public ImageRequest Over(ImageRequest request) =>
        _image is null && _mask is null
            ? request
            : request with
            {
                Origin = (request.Origin ?? new()) with
                {
                    Image = _image ?? request.Origin?.Image ?? "",
                    Mask = _mask ?? request.Origin?.Mask,
                },
            };

    /// <summary>Refuses a request that names a picture which was not given.</summary>
    /// <param name="request">The request.</param>
    /// <param name="from">The picture whose making it repeats.</param>
    /// <exception cref="InvalidRequestException">The file of a flag is missing; its SHA-256 is named.</exception>
    public void Require(ImageRequest request, string from)
    {
        foreach ((string flag, string? name) in new[] { ("--init-image", request.Origin?.Image), ("--mask", request.Origin?.Mask) })
        {
            if (name is { Length: > 0 } && !_images.ContainsKey(name))
            {
                throw new InvalidRequestException(
                    flag,
                    null,
                    $"{from} was painted over the file with the SHA-256 {name}; give it, or another one");
            }
        }
    }

    private async Task<string?> AddAsync(string flag, string? path, IServiceProvider services, CancellationToken cancellationToken)
    {
        if (path is null)
        {
            return null;
        }

        try
        {
            ImageLimits limits = CliContext.Limits(services);
            byte[] file = await PictureFiles.ReadAsync(path, limits, cancellationToken).ConfigureAwait(false);
            string name = OriginRequest.NameOf(file);
            _images[name] = services.GetRequiredService<IImageCodec>().Decode(file, limits, cancellationToken);
            return name;
        }
        catch (DiffusionClipException exception)
        {
            throw new InvalidRequestException(flag, path, exception.Message);
        }
    }
}
