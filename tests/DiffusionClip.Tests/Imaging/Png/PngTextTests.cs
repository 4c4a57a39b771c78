using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using CsCheck;

namespace DiffusionClip.Imaging.Png;

public sealed class PngTextTests
{
    private static readonly string[] Hostile = ["", "a fox", "café", "Ã©", "日本 👩‍🚀", "a\nb", "\r", "\u0080\u00FF", "\uFEFFx", "x\u2028"];

    private static readonly Gen<string> Text = Gen.OneOf(Gen.OneOf(Hostile), Gen.String.Select(text => Valid(text)));

    [Fact]
    public void Any_text_comes_back_as_it_was() =>
        Text.List[0, 5].Sample(texts =>
        {
            KeyValuePair<string, string>[] written = [.. texts.Select((text, i) => KeyValuePair.Create($"key {i}", text))];
            byte[] file = PngTextWriter.SetTexts(Picture(), written);
            PngTextContent read = PngTextReader.Read(file);
            Assert.Empty(read.Problems);
            Assert.Equal(written, read.Texts.Select(text => KeyValuePair.Create(text.Keyword, text.Meant)));
            Assert.Equal((2, 3), (read.Width, read.Height));
        });

    [Fact]
    public void Every_other_chunk_stays_byte_for_byte()
    {
        byte[] damaged = Chunk("tEXt", "Other\0x"u8);
        damaged[^1] ^= 1;
        byte[] before = [.. Head(), .. Chunk("tEXt", "parameters\0old"u8), .. Chunk("gAMA", [0, 0, 1, 2]), .. damaged];
        byte[] after = [.. Chunk("IDAT", [1, 2, 3]), .. Chunk("zTXt", "parameters\0\0rubbish"u8), .. Chunk("IEND", []), 9, 9, 9];
        byte[] file = PngTextWriter.SetTexts((byte[])[.. before, .. after], [new("parameters", "new")]);
        byte[] expected =
        [
            .. Head(), .. Chunk("tEXt", "parameters\0new"u8), .. Chunk("gAMA", [0, 0, 1, 2]), .. damaged,
            .. Chunk("IDAT", [1, 2, 3]), .. Chunk("IEND", []), 9, 9, 9,
        ];
        Assert.Equal(expected, file);

        using var streamed = new MemoryStream();
        PngTextWriter.SetTexts(new TrickleStream([.. before, .. after]), streamed, [new("parameters", "new")]);
        Assert.Equal(expected, streamed.ToArray());
    }

    [Fact]
    public void Latin1_that_reads_as_UTF8_is_written_as_iTXt()
    {
        Assert.Contains("iTXt", Encoding.Latin1.GetString(PngTextWriter.SetTexts(Picture(), [new("a", "Ã©")])), StringComparison.Ordinal);
        Assert.Contains("tEXt", Encoding.Latin1.GetString(PngTextWriter.SetTexts(Picture(), [new("a", "é")])), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "x")]
    [InlineData("日", "x")]
    [InlineData(" a", "x")]
    [InlineData("a  b", "x")]
    [InlineData("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", "x")]
    [InlineData("a", "x\0y")]
    public void What_no_chunk_can_hold_is_refused(string keyword, string text) =>
        Assert.Throws<ArgumentException>(() => PngTextWriter.SetTexts(Picture(), [new(keyword, text)]));

    [Fact]
    public void A_file_that_is_no_whole_PNG_is_not_rewritten()
    {
        byte[] picture = Picture();
        for (int length = 0; length < picture.Length; length++)
        {
            Assert.Throws<ImageFormatException>(() => PngTextWriter.SetTexts(picture.AsMemory(0, length), [new("a", "b")]));
        }
    }

    [Fact]
    public void A_huge_text_is_refused_by_its_length_and_what_follows_is_read()
    {
        const int Length = 100_000_000;
        byte[] head = new byte[8];
        BinaryPrimitives.WriteInt32BigEndian(head, Length);
        "tEXt"u8.CopyTo(head.AsSpan(4));
        using var file = new ZeroTailStream([.. Head(), .. head], Length + 4L, [.. Chunk("tEXt", "after\0x"u8), .. Chunk("IEND", [])]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        PngTextContent read = PngTextReader.Read(file);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Equal([PngTextProblemKind.TooLarge], read.Problems.Select(problem => problem.Kind));
        Assert.Equal("x", Assert.Single(read.Texts).Text);
    }

    [Fact]
    public void A_length_that_the_stream_does_not_hold_allocates_nothing()
    {
        byte[] head = new byte[8];
        BinaryPrimitives.WriteInt32BigEndian(head, 16 << 20);
        "tEXt"u8.CopyTo(head.AsSpan(4));
        long before = GC.GetAllocatedBytesForCurrentThread();
        PngTextContent read = PngTextReader.Read(new TrickleStream([.. Head(), .. head, 1, 2, 3]));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Equal([PngTextProblemKind.Truncated], read.Problems.Select(problem => problem.Kind));
    }

    [Fact]
    public void Many_bombs_share_one_budget()
    {
        byte[] bomb = Chunk("zTXt", [.. "bomb\0\0"u8, .. Deflate(new byte[1000])]);
        byte[] file = [.. Head(), .. Enumerable.Repeat(bomb, 10).SelectMany(chunk => chunk), .. Chunk("IEND", [])];
        PngTextContent read = PngTextReader.Read(file, new PngTextLimits(MaxTextBytes: 2000, MaxTotalBytes: 3500));
        Assert.Equal(3, read.Texts.Count);
        Assert.Equal(7, read.Problems.Count(problem => problem.Kind == PngTextProblemKind.TooLarge));

        read = PngTextReader.Read(file, new PngTextLimits(MaxTexts: 4));
        Assert.Equal(4, read.Texts.Count);
        Assert.Equal([PngTextProblemKind.TooLarge], read.Problems.Select(problem => problem.Kind));
    }

    [Fact]
    public void What_is_inflated_for_nothing_is_bounded_too_and_takes_no_room_from_sound_texts()
    {
        // Each inflates to the most that a text may have and one byte more; together they would cost minutes.
        const int Bombs = 1000;
        byte[] bomb = Chunk("zTXt", [.. "bomb\0\0"u8, .. Deflate(new byte[PngTextLimits.Default.MaxTextBytes + 1])]);
        byte[] sound = [.. Chunk("zTXt", [.. "early\0\0"u8, .. Deflate("a fox"u8.ToArray())]), .. Chunk("tEXt", "parameters\0a cat"u8)];
        using MemoryStream file = new();
        file.Write([.. Head(), .. bomb, .. sound]);
        for (int i = 1; i < Bombs; i++)
        {
            file.Write(bomb);
        }

        file.Write([.. Chunk("tEXt", "late\0a dog"u8), .. Chunk("IEND", [])]);
        Stopwatch watch = Stopwatch.StartNew();
        PngTextContent read = PngTextReader.Read(file.GetBuffer().AsMemory(0, (int)file.Length));
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 10);
        Assert.Equal(["a fox", "a cat", "a dog"], read.Texts.Select(text => text.Text));
        Assert.Equal(Bombs, read.Problems.Count(problem => problem.Kind == PngTextProblemKind.TooLarge));
    }

    [Fact]
    public void A_limit_as_large_as_numbers_go_is_a_limit()
    {
        byte[] file = [.. Head(), .. Chunk("zTXt", [.. "key\0\0"u8, .. Deflate("a fox"u8.ToArray())]), .. Chunk("IEND", [])];
        Assert.Equal("a fox", Assert.Single(PngTextReader.Read(file, new PngTextLimits(int.MaxValue, int.MaxValue)).Texts).Text);
    }

    [Fact]
    public void A_compressed_text_cut_anywhere_is_malformed()
    {
        byte[] deflated = Deflate(Encoding.UTF8.GetBytes("a fox, a fox, a fox and a purple umbrella"));
        for (int length = 0; length < deflated.Length; length++)
        {
            byte[] file = [.. Head(), .. Chunk("iTXt", [.. "key\0\u0001\0\0\0"u8, .. deflated[..length]]), .. Chunk("IEND", [])];
            PngTextContent read = PngTextReader.Read(file);
            Assert.Empty(read.Texts);
            Assert.Equal([PngTextProblemKind.Malformed], read.Problems.Select(problem => problem.Kind));
        }
    }

    [Fact]
    public void A_file_without_its_end_is_truncated()
    {
        byte[] picture = Picture();
        Assert.Equal(
            [PngTextProblemKind.Truncated],
            PngTextReader.Read(picture.AsMemory(0, picture.Length - 12)).Problems.Select(problem => problem.Kind));
        Assert.Empty(PngTextReader.Read(picture).Problems);
    }

    [Fact]
    public void Flipped_bits_give_problems_and_nothing_else()
    {
        byte[] sound =
        [
            .. Head(),
            .. Chunk("tEXt", "parameters\0a fox\nSteps: 1, Seed: 2, Size: 3x4"u8),
            .. Chunk("iTXt", "diffusionclip\0\0\0en\0x\0{}"u8),
            .. Chunk("zTXt", [.. "prompt\0\0"u8, .. Deflate("{\"1\":{\"class_type\":\"KSampler\"}}"u8.ToArray())]),
            .. Chunk("IDAT", [1, 2, 3, 4]),
            .. Chunk("IEND", []),
        ];
        Gen.Select(Gen.Int[0, sound.Length - 1], Gen.Byte[1, 255]).List[1, 6].Select(Gen.Int[0, sound.Length]).Sample((flips, length) =>
        {
            byte[] file = [.. sound];
            foreach ((int place, byte mask) in flips)
            {
                file[place] ^= mask;
            }

            foreach (byte[] variant in (byte[][])[file, file[..length]])
            {
                PngTextContent read = PngTextReader.Read(variant);
                PngTextContent streamed = PngTextReader.Read(new TrickleStream(variant));
                Assert.Equal(read.Texts, streamed.Texts);
                Assert.Equal(read.Problems, streamed.Problems);
                Assert.All(read.Texts, text => Assert.InRange(text.Text.Length, 0, 1000));
            }
        }, iter: 5_000);
    }

    /// <summary>A small file; its pixels are not what is tested here.</summary>
    internal static byte[] Picture() => [.. Head(), .. Chunk("IDAT", [1, 2, 3]), .. Chunk("IEND", [])];

    internal static byte[] Head() =>
        [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, .. Chunk("IHDR", [0, 0, 0, 2, 0, 0, 0, 3, 8, 2, 0, 0, 0])];

    internal static byte[] Chunk(string type, ReadOnlySpan<byte> content)
    {
        byte[] chunk = new byte[content.Length + 12];
        BinaryPrimitives.WriteInt32BigEndian(chunk, content.Length);
        Encoding.ASCII.GetBytes(type, chunk.AsSpan(4));
        content.CopyTo(chunk.AsSpan(8));
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(content.Length + 8), Crc32.HashToUInt32(chunk.AsSpan(4, content.Length + 4)));
        return chunk;
    }

    private static byte[] Deflate(byte[] bytes)
    {
        using var deflated = new MemoryStream();
        using (var deflater = new ZLibStream(deflated, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflater.Write(bytes);
        }

        return deflated.ToArray();
    }

    private static string Valid(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.Replace('\0', ' ')));

    /// <summary>A head, as many zeros as wanted, and a tail, without holding them.</summary>
    private sealed class ZeroTailStream(byte[] head, long zeros, byte[] tail) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => head.Length + zeros + tail.Length;

        public override long Position { get; set; }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int read = (int)Math.Min(count, Length - Position);
            for (int i = 0; i < read; i++, Position++)
            {
                buffer[offset + i] =
                    Position < head.Length ? head[Position]
                    : Position < head.Length + zeros ? (byte)0
                    : tail[Position - head.Length - zeros];
            }

            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
