using CsCheck;

namespace DiffusionClip.Imaging.Png;

public sealed class PngTests
{
    private static RgbImage Decode(byte[] file) => PngDecoder.Decode(file, ImageLimits.Default);

    [Fact]
    public void What_is_encoded_decodes_to_the_same_pixels() =>
        Gen.Select(Gen.Int[1, 90], Gen.Int[1, 40], Gen.Int[0, 3], Gen.Int[0, 1 << 20])
            .Sample(
                (width, height, kind, seed) =>
                {
                    byte[] pixels = Pictures.Noise(width, height, seed).Pixels.ToArray();
                    for (int i = 0; i < pixels.Length; i++)
                    {
                        // Gradients along either side make each filter win somewhere.
                        pixels[i] = kind switch
                        {
                            0 => pixels[i],
                            1 => (byte)(i / 3 % width * 2),
                            2 => (byte)((i / 3 / width) + (pixels[i] & 3)),
                            _ => 0,
                        };
                    }

            byte[] file = PngEncoder.Encode(new RgbImage(width, height, pixels));
            Assert.Equal(pixels, Decode(file).Pixels.ToArray());
        },
        iter: 300);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Each_filter_is_undone(int type) => Gen.Select(Gen.Int[1, 50], Gen.Int[1, 8], Gen.Int[0, 1 << 20]).Sample(
        (width, step, seed) =>
        {
            Random random = new(seed);
            byte[] row = new byte[width * step], above = new byte[width * step], filtered = new byte[width * step];
            random.NextBytes(row);
            random.NextBytes(above);
            long magnitude = PngFilter.Apply(type, row, above, step, filtered);
            Assert.Equal(filtered.Sum(value => Math.Abs((int)(sbyte)value)), magnitude);
            Assert.True(PngFilter.Undo(type, filtered, above, step));
            Assert.Equal(row, filtered);
        },
        iter: 200);

    [Fact]
    public void The_encoder_writes_no_metadata_and_the_same_bytes_each_time()
    {
        RgbImage image = Pictures.Noise(33, 17);
        byte[] file = PngEncoder.Encode(image);
        Assert.Equal(file, PngEncoder.Encode(image));
        Assert.Equal(["IHDR", "IDAT", "IEND"], ChunkTypes(file));
    }

    [Theory]
    [InlineData(0, 1, new byte[] { 0b10100000 }, new byte[] { 255, 0, 255 })]
    [InlineData(0, 2, new byte[] { 0b00011000 }, new byte[] { 0, 85, 170 })]
    [InlineData(0, 4, new byte[] { 0x0F, 0x80 }, new byte[] { 0, 255, 136 })]
    [InlineData(0, 16, new byte[] { 0x12, 0xFF, 0x80, 0x00, 0xFF, 0x00 }, new byte[] { 0x12, 0x80, 0xFF })]
    [InlineData(4, 8, new byte[] { 10, 0, 20, 255, 30, 7 }, new byte[] { 10, 20, 30 })]
    [InlineData(4, 16, new byte[] { 10, 99, 0, 0, 20, 99, 1, 1, 30, 99, 2, 2 }, new byte[] { 10, 20, 30 })]
    public void Grey_of_every_depth_becomes_rgb(int colourType, int depth, byte[] row, byte[] expected)
    {
        RgbImage image = Decode(PngFile.Of(PngFile.Header(3, 1, depth, colourType), PngFile.Data([row]), PngFile.End));
        Assert.Equal(expected.SelectMany(grey => new[] { grey, grey, grey }), image.Pixels.ToArray());
    }

    [Fact]
    public void Palette_and_deep_colours_become_rgb_without_alpha()
    {
        byte[] palette = PngFile.Chunk("PLTE", 1, 2, 3, 40, 50, 60);
        byte[] indexed = PngFile.Of(
            PngFile.Header(3, 1, 2, 3),
            palette,
            PngFile.Chunk("tRNS", 0),
            PngFile.Data([
                [0b00011100],
            ]),
            PngFile.End);
        Assert.Equal([1, 2, 3, 40, 50, 60, 0, 0, 0], Decode(indexed).Pixels.ToArray());

        byte[] deep = PngFile.Of(PngFile.Header(1, 1, 16, 2), PngFile.Data([[9, 200, 8, 200, 7, 200]]), PngFile.End);
        Assert.Equal([9, 8, 7], Decode(deep).Pixels.ToArray());
        byte[] transparent = PngFile.Of(PngFile.Header(2, 1, 8, 6), PngFile.Data([[9, 8, 7, 0, 6, 5, 4, 255]]), PngFile.End);
        Assert.Equal([9, 8, 7, 6, 5, 4], Decode(transparent).Pixels.ToArray());
    }

    [Fact]
    public void Interlaced_files_give_the_same_pixels() => Gen.Select(Gen.Int[1, 20], Gen.Int[1, 20]).Sample(
        (width, height) =>
        {
            RgbImage image = Pictures.Noise(width, height);
            byte[] pixels = image.Pixels.ToArray();
            List<byte[]> rows = [];
            foreach ((int left, int top, int across, int down) in ((int, int, int, int)[])[(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)])
            {
                for (int y = top; y < height && left < width; y += down)
                {
                    rows.Add([.. Enumerable.Range(0, width).Where(x => x >= left && (x - left) % across == 0).SelectMany(x => pixels[(3 * ((y * width) + x))..(3 * ((y * width) + x + 1))])]);
                }
            }

            byte[] file = PngFile.Of(PngFile.Header(width, height, 8, 2, interlaced: true), PngFile.Data(rows), PngFile.End);
            Assert.Equal(pixels, Decode(file).Pixels.ToArray());
        },
        iter: 100);

    [Fact]
    public void Data_split_over_many_chunks_are_one_stream()
    {
        RgbImage image = Pictures.Noise(20, 20);
        byte[] file = PngEncoder.Encode(image);
        byte[] data = file[41..^16];
        byte[] split = PngFile.Of([
            PngFile.Header(20, 20, 8, 2),
            .. data.Chunk(7).Select(part => PngFile.Chunk("IDAT", part)),
            PngFile.Chunk("IDAT"),
            PngFile.End,
        ]);
        Assert.Equal(image.Pixels.ToArray(), Decode(split).Pixels.ToArray());
    }

    [Fact]
    public void Every_truncation_and_every_flipped_bit_is_an_error()
    {
        byte[] file = PngEncoder.Encode(Pictures.Noise(9, 7));
        for (int length = 0; length < file.Length; length++)
        {
            Assert.Throws<ImageFormatException>(() => Decode(file[..length]));
        }

        for (int bit = 0; bit < 8 * file.Length; bit++)
        {
            byte[] flipped = [.. file];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<ImageFormatException>(() => Decode(flipped));
        }
    }

    [Fact]
    public void Broken_structures_are_errors_of_one_line()
    {
        byte[] rows = PngFile.Data([[1, 2, 3]]);
        byte[][] broken =
        [
            PngFile.Of(PngFile.Header(1, 1, 8, 2), PngFile.End),
            PngFile.Of(PngFile.Header(1, 2, 8, 2), rows, PngFile.End),
            PngFile.Of(PngFile.Header(1, 1, 8, 3), PngFile.Data([[0]]), PngFile.End),
            PngFile.Of(PngFile.Header(1, 1, 3, 0), PngFile.Data([[0]]), PngFile.End),
            PngFile.Of(PngFile.Header(1, 1, 8, 5), rows, PngFile.End),
            PngFile.Of(PngFile.Header(0, 1, 8, 2), rows, PngFile.End),
            PngFile.Of(PngFile.Header(-1, 1, 8, 2), rows, PngFile.End),
            PngFile.Of(PngFile.Header(1, 1, 8, 2), PngFile.Raw([7, 1, 2, 3]), PngFile.End),
            PngFile.Of(PngFile.Header(1, 1, 8, 2), PngFile.Chunk("IDAT", 1, 2, 3), PngFile.End),
            PngFile.Of(PngFile.Header(1, 1, 8, 2), PngFile.Chunk("ABCD"), rows, PngFile.End),
            PngFile.Of(rows, PngFile.Header(1, 1, 8, 2), PngFile.End),
        ];
        foreach (byte[] file in broken)
        {
            ImageFormatException error = Assert.Throws<ImageFormatException>(() => Decode(file));
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    [Theory]
    [InlineData(4, 8, new byte[] { 9, 0, 9, 7, 9, 255 }, new byte[0], new byte[] { 0, 7, 255 })]
    [InlineData(6, 8, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9 }, new byte[0], new byte[] { 4, 8, 9 })]
    [InlineData(4, 16, new byte[] { 9, 9, 0, 255, 9, 9, 127, 255, 9, 9, 128, 0 }, new byte[0], new byte[] { 0, 127, 128 })]
    [InlineData(3, 2, new byte[] { 0b00011000 }, new byte[] { 0, 100 }, new byte[] { 0, 100, 255 })]
    [InlineData(0, 8, new byte[] { 4, 5, 6 }, new byte[] { 0, 5 }, new byte[] { 255, 0, 255 })]
    [InlineData(0, 2, new byte[] { 0b00011000 }, new byte[] { 0, 2 }, new byte[] { 255, 255, 0 })]
    [InlineData(0, 16, new byte[] { 1, 2, 1, 3, 2, 2 }, new byte[] { 1, 3 }, new byte[] { 255, 0, 255 })]
    [InlineData(2, 8, new byte[] { 1, 2, 3, 1, 2, 4, 1, 2, 3 }, new byte[] { 0, 1, 0, 2, 0, 3 }, new byte[] { 0, 255, 0 })]
    public void Alpha_of_every_kind_is_read(int colourType, int depth, byte[] row, byte[] transparency, byte[] expected)
    {
        byte[][] before = colourType == 3 ? [PngFile.Chunk("PLTE", new byte[9])] : [];
        byte[][] keys = transparency.Length > 0 ? [PngFile.Chunk("tRNS", transparency)] : [];
        byte[] file = PngFile.Of([PngFile.Header(3, 1, depth, colourType), .. before, .. keys, PngFile.Data([row]), PngFile.End]);
        AlphaChannel alpha = Assert.IsType<AlphaChannel>(PngDecoder.DecodeAlpha(file, ImageLimits.Default));
        Assert.Equal((3, 1), (alpha.Width, alpha.Height));
        Assert.Equal(expected, alpha.Values.ToArray());
    }

    [Theory]
    [InlineData(0, new byte[] { 1, 2, 3 }, new byte[] { 1 })]
    [InlineData(2, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, new byte[] { 0, 1 })]
    [InlineData(2, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, new byte[0])]
    public void Without_alpha_there_is_none(int colourType, byte[] row, byte[] transparency) => Assert.Null(PngDecoder.DecodeAlpha(
        PngFile.Of(PngFile.Header(3, 1, 8, colourType), PngFile.Chunk("tRNS", transparency), PngFile.Data([row]), PngFile.End),
        ImageLimits.Default));

    [Fact]
    public void Decoding_ends_when_it_is_cancelled()
    {
        byte[] file = PngEncoder.Encode(Pictures.Noise(9, 7));
        Assert.Throws<OperationCanceledException>(() =>
            PngDecoder.Decode(file, ImageLimits.Default, new CancellationToken(canceled: true)));
    }

    [Fact]
    public void The_walk_is_the_same_over_memory_and_over_a_stream()
    {
        byte[] file = PngFile.Of(PngFile.Header(1, 1, 8, 2), PngFile.Chunk("tEXt", 1, 2, 3), PngFile.Chunk("IDAT"), PngFile.End, [9, 9]);
        for (int length = 0; length <= file.Length; length++)
        {
            byte[] cut = file[..length];
            string walked = Walk(new PngMemory(cut));
            Assert.Equal(walked, Walk(new PngStream(new MemoryStream(cut))));
            Assert.Equal(walked, Walk(new PngStream(new TrickleStream(cut))));
        }

        Assert.Equal("IHDR@8+13 tEXt@33+3 IDAT@48+0 IEND@60+0 Whole@72", Walk(new PngMemory(file)));
        Assert.Equal("IHDR@8+13 tEXt@33+3 InsideChunk@33", Walk(new PngMemory(file.AsSpan(0, 46))));
        Assert.Equal("IHDR@8+13 tEXt@33+3 BetweenChunks@48", Walk(new PngMemory(file.AsSpan(0, 50))));
        Assert.Equal("BetweenChunks@8", Walk(new PngMemory(file.AsSpan(1))));

        static string Walk<TSource>(TSource source)
            where TSource : IPngSource, allows ref struct
        {
            List<string> walked = [];
            PngChunks<TSource> chunks = new(source);
            while (chunks.MoveNext())
            {
                walked.Add($"{PngChunk.Name(chunks.Type)}@{chunks.Offset}+{chunks.Length}");
            }

            return string.Join(' ', [.. walked, $"{chunks.End}@{chunks.Offset}"]);
        }
    }

    private static List<string> ChunkTypes(byte[] file)
    {
        List<string> types = [];
        for (int at = 8; at < file.Length; at += 12 + System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at)))
        {
            types.Add(System.Text.Encoding.ASCII.GetString(file, at + 4, 4));
        }

        return types;
    }
}
