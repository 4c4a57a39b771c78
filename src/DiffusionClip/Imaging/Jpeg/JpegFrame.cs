using System.Buffers.Binary;

namespace DiffusionClip.Imaging.Jpeg;

/// <summary>A colour component of a frame.</summary>
internal sealed class JpegComponent
{
    /// <summary>The number that scans name it by.</summary>
    public required byte Id { get; init; }

    /// <summary>Blocks of it in a unit of interleaved scans, across; 1 to 4.</summary>
    public required int Horizontal { get; init; }

    /// <summary>The same, down.</summary>
    public required int Vertical { get; init; }

    /// <summary>Blocks that cover the picture, as a scan of this component alone counts them, across.</summary>
    public required int BlocksAcross { get; init; }

    /// <summary>The same, down.</summary>
    public required int BlocksDown { get; init; }

    /// <summary>Blocks in a row of the padded grid that interleaved scans fill.</summary>
    public required int Stride { get; init; }

    /// <summary>A bit for each coefficient of each block that is no longer zero; progressive files only.</summary>
    public PixelBuffer<ulong>? NonZero { get; set; }
}

/// <summary>What a frame header says, and what is known of its blocks so far.</summary>
internal sealed class JpegFrame : IDisposable
{
    private JpegComponent[] _components = [];

    /// <summary>Whether the coefficients come in several scans.</summary>
    public bool IsProgressive { get; private set; }

    /// <summary>Units of interleaved scans in a row.</summary>
    public int UnitsAcross { get; private set; }

    /// <summary>Rows of units.</summary>
    public int UnitsDown { get; private set; }

    /// <summary>Reads the header.</summary>
    /// <param name="segment">The segment's content.</param>
    /// <param name="isProgressive">Whether its marker is that of a progressive file.</param>
    /// <exception cref="ImageFormatException">It is damaged, or the second one.</exception>
    public void Read(ReadOnlySpan<byte> segment, bool isProgressive)
    {
        if (_components.Length > 0)
        {
            throw JpegIntegrity.Damaged("it has two frame headers");
        }

        if (segment.Length < 6 || segment[5] is 0 or > 4 || segment.Length < 6 + (3 * segment[5]))
        {
            throw JpegIntegrity.Damaged("its frame header is too short");
        }

        ReadOnlySpan<byte> entries = segment.Slice(6, 3 * segment[5]);
        int mostHorizontal = 0, mostVertical = 0;
        for (int i = 0; i < entries.Length; i += 3)
        {
            (int horizontal, int vertical) = (entries[i + 1] >> 4, entries[i + 1] & 15);
            if (horizontal is < 1 or > 4 || vertical is < 1 or > 4)
            {
                throw JpegIntegrity.Damaged("its sampling factors are not 1 to 4");
            }

            (mostHorizontal, mostVertical) = (Math.Max(mostHorizontal, horizontal), Math.Max(mostVertical, vertical));
        }

        int height = BinaryPrimitives.ReadUInt16BigEndian(segment[1..]), width = BinaryPrimitives.ReadUInt16BigEndian(segment[3..]);
        IsProgressive = isProgressive;
        UnitsAcross = Ceiling(width, 8 * mostHorizontal);
        UnitsDown = Ceiling(height, 8 * mostVertical);
        _components = new JpegComponent[entries.Length / 3];
        for (int i = 0; i < _components.Length; i++)
        {
            (int horizontal, int vertical) = (entries[(3 * i) + 1] >> 4, entries[(3 * i) + 1] & 15);
            _components[i] = new JpegComponent
            {
                Id = entries[3 * i],
                Horizontal = horizontal,
                Vertical = vertical,
                BlocksAcross = Ceiling(Ceiling(width * horizontal, mostHorizontal), 8),
                BlocksDown = Ceiling(Ceiling(height * vertical, mostVertical), 8),
                Stride = UnitsAcross * horizontal,
            };
            if (isProgressive)
            {
                _components[i].NonZero = new PixelBuffer<ulong>(checked(UnitsAcross * horizontal * UnitsDown * vertical));
                _components[i].NonZero!.Span.Clear();
            }
        }
    }

    /// <summary>The component of a number; null if there is none.</summary>
    public JpegComponent? Find(byte id) => Array.Find(_components, component => component.Id == id);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (JpegComponent? component in _components)
        {
            component?.NonZero?.Dispose();
        }
    }

    private static int Ceiling(int value, int divisor) => (value + divisor - 1) / divisor;
}
