using System.Buffers;
using DiffusionClip.Imaging;
using SkiaSharp;

namespace DiffusionClip.Skia;

/// <summary>A file that Skia has opened, which is what its header says.</summary>
internal sealed class OpenPicture : IDisposable
{
    private readonly ImageHeader _header;
    private readonly MemoryHandle _pinned;
    private readonly SKData _data;
    private readonly SKMemoryStream _stream;
    private readonly SKCodec _codec;

    /// <summary>Opens a file.</summary>
    /// <exception cref="ImageFormatException">It is damaged.</exception>
    public unsafe OpenPicture(ReadOnlyMemory<byte> file, ImageHeader header)
    {
        _header = header;
        _pinned = file.Pin();
        _data = SKData.Create((nint)_pinned.Pointer, file.Length);
        _stream = new SKMemoryStream(_data);
        SKCodec? codec = SKCodec.Create(_stream, out SKCodecResult created);
        if (codec is null)
        {
            _stream.Dispose();
            _data.Dispose();
            _pinned.Dispose();
            throw Damaged(Reason(created));
        }

        _codec = codec;
    }

    /// <summary>Whether its format leaves no room for transparency.</summary>
    public bool IsOpaque => _codec.Info.AlphaType == SKAlphaType.Opaque;

    /// <summary>Its first frame, 4 bytes a pixel, not premultiplied; to be disposed by the caller.</summary>
    /// <exception cref="ImageFormatException">It is damaged.</exception>
    public unsafe PixelBuffer<byte> ReadRgba()
    {
        (int width, int height) = (_header.Width, _header.Height);
        if (_codec.Info.Width != width || _codec.Info.Height != height)
        {
            throw Damaged($"the header says {width}x{height} and the picture {_codec.Info.Width}x{_codec.Info.Height}");
        }

        SKImageInfo info = new(width, height, SKColorType.Rgba8888, IsOpaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul);
        PixelBuffer<byte> rgba = new(checked(4 * width * height));
        SKCodecResult result;
        fixed (byte* pixels = rgba.Span)
        {
            result = _codec.GetPixels(info, (nint)pixels, info.RowBytes, SKCodecOptions.Default);
        }

        if (result != SKCodecResult.Success)
        {
            rgba.Dispose();
            throw Damaged(Reason(result));
        }

        return rgba;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _codec.Dispose();
        _stream.Dispose();
        _data.Dispose();
        _pinned.Dispose();
    }

    private ImageFormatException Damaged(string how) => new($"damaged {ImageHeader.Name(_header.Format)}: {how}");

    private static string Reason(SKCodecResult result) => result switch
    {
        SKCodecResult.IncompleteInput => "the file ends before the picture does",
        SKCodecResult.ErrorInInput => "its data are broken",
        SKCodecResult.InvalidInput => "its data are not what its header says",
        SKCodecResult.Unimplemented => "a variant that is not supported",
        _ => $"it cannot be decoded ({result})",
    };
}
