using System.Globalization;
using System.Text;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.PixelFormats;

namespace DiffusionClip.ImageSharp;

/// <summary>Starts runs from pictures that a program holds as <see cref="Image{TPixel}"/>.</summary>
public static class ImageOrigins
{
    /// <summary>
    /// Makes a request start from a picture. Alpha is dropped, as everywhere (<see cref="ImageConversion"/>). A picture in memory has no
    /// file to be named by: its name in the request is the SHA-256 of its pixels as a binary PPM file (<c>P6</c>, maximum 255), the same
    /// for the same pixels.
    /// </summary>
    /// <typeparam name="TPixel">The pixel format.</typeparam>
    /// <param name="request">The request; what it said of an origin is replaced.</param>
    /// <param name="image">The picture. One of another size is resized to the request's.</param>
    /// <param name="mask">Painted where it is white (128 and above), kept where it is black; null: all of it is painted over.</param>
    /// <param name="strength">How much of the way is painted anew, above 0 to 1; null: the family's own.</param>
    /// <returns>The request, and the pictures that it names: both go to <see cref="ImagePipeline"/>.</returns>
    public static (ImageRequest Request, IReadOnlyDictionary<string, RgbImage> Images) StartFrom<TPixel>(
        this ImageRequest request, Image<TPixel> image, Image<TPixel>? mask = null, double? strength = null)
        where TPixel : unmanaged, IPixel<TPixel>
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(image);
        var images = new Dictionary<string, RgbImage>(StringComparer.Ordinal);
        var origin = new OriginRequest { Image = Add(image), Mask = mask is null ? null : Add(mask), Strength = strength };
        return (request with { Origin = origin }, images);

        string Add(Image<TPixel> picture)
        {
            RgbImage pixels = picture.ToRgbImage();
            string header = string.Create(CultureInfo.InvariantCulture, $"P6\n{pixels.Width} {pixels.Height}\n255\n");
            string name = OriginRequest.NameOf([.. Encoding.ASCII.GetBytes(header), .. pixels.Pixels.Span]);
            images[name] = pixels;
            return name;
        }
    }
}
