using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using DiffusionClip.Imaging;
using DiffusionClip.Skia;
using DiffusionClip.Worker.Interfaces;
using DiffusionClip.Worker.Trust;
using Microsoft.Extensions.Time.Testing;

namespace DiffusionClip.Worker.Tests.Interfaces;

/// <summary>Rows 10 to 13 of the fault table: what is given for a picture.</summary>
[Collection(nameof(Alone))]
public sealed class ImageSourceTests : IDisposable
{
    private readonly MemoryArtifacts _artifacts = new();
    private readonly SkiaImageCodec _codec = new();
    private readonly WorkerOptions _options = new();
    private readonly UrlFetcher _anywhere = new(100_000, static _ => true, httpsOnly: false, TimeProvider.System);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private byte[] Png => _codec.EncodePng(new RgbImage(4, 3, new byte[36]));

    public void Dispose() => _anywhere.Dispose();

    [Fact]
    public async Task All_ways_lead_to_the_same_picture()
    {
        using ImageSource source = Source();
        string name = OriginRequest.NameOf(Png);
        string base64 = Convert.ToBase64String(Png);
        Assert.Equal(name, await source.ResolveAsync("alice", "image", base64, Stop));
        Assert.Equal(name, await source.ResolveAsync("alice", "image", "data:image/png;base64," + base64, Stop));
        Assert.Equal(name, await source.ResolveAsync("alice", "image", "DATA:;BASE64," + base64, Stop));
        Assert.Equal(name, await source.ResolveAsync("alice", "image", name, Stop));
        Assert.Equal(1, _artifacts.Count);
        var exception = await Assert.ThrowsAsync<InvalidRequestException>(() => source.ResolveAsync("bob", "image", name, Stop));
        Assert.Equal("image", exception.Field);
    }

    [Fact]
    public async Task A_JPEG_in_base64_is_no_path()
    {
        using ImageSource source = Source();
        byte[] jpeg = _codec.EncodeJpeg(new RgbImage(8, 8, new byte[192]), 80);
        string base64 = Convert.ToBase64String(jpeg);
        Assert.StartsWith("/9j/", base64, StringComparison.Ordinal);
        Assert.Equal(
            "image/jpeg",
            (await _artifacts.FindAsync(await source.ResolveAsync("alice", "image", base64, Stop), Stop))!.MediaType);
    }

    [Theory]
    [InlineData("http://169.254.169.254/latest/meta-data")]
    [InlineData("https://example.org/x.png")]
    [InlineData("file:///etc/passwd")]
    [InlineData("file:/etc/passwd")]
    [InlineData("http://2130706433/")]
    [InlineData("http://[::ffff:127.0.0.1]/")]
    [InlineData("javascript:alert(1)")]
    [InlineData("ftp://example.org/x.png")]
    public async Task Row10_URLs_are_not_taken(string url)
    {
        using ImageSource source = Source();
        var exception = await Assert.ThrowsAsync<UrlInputDisabledException>(() => source.ResolveAsync("alice", "init_images", url, Stop));
        Fault fault = Faults.Of(exception)!;
        Assert.Equal((400, "init_images"), (fault.Status, fault.Field));
        Assert.Contains("URL input disabled", fault.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://example.org/x.png", "only https")]
    [InlineData("file:///etc/passwd", "only https")]
    [InlineData("https://user:password@example.org/x.png", "credentials")]
    [InlineData("https://169.254.169.254/latest", "not a public")]
    [InlineData("https://127.0.0.1/x.png", "not a public")]
    [InlineData("https://localhost/x.png", "not a public")]
    [InlineData("https://2130706433/x.png", "not a public")]
    [InlineData("https://0x7f.1/x.png", "not a public")]
    [InlineData("https://[::1]/x.png", "not a public")]
    [InlineData("https://[::ffff:10.0.0.1]/x.png", "not a public")]
    [InlineData("https://[fe80::1]/x.png", "not a public")]
    public async Task Row10_where_they_are_taken_only_public_ones(string url, string reason)
    {
        _options.Trust.FetchUrls = true;
        using var urls = new UrlFetcher(_options, ImageLimits.Default, TimeProvider.System);
        using ImageSource source = Source(urls);
        var exception = await Assert.ThrowsAsync<InvalidRequestException>(() => source.ResolveAsync("alice", "image", url, Stop));
        Assert.Contains(reason, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("password", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("2606:4700::1111", true)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("0.0.0.0", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("127.255.0.1", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("192.168.0.1", false)]
    [InlineData("198.19.0.1", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::", false)]
    [InlineData("::1", false)]
    [InlineData("::ffff:127.0.0.1", false)]
    [InlineData("64:ff9b::7f00:1", false)]
    [InlineData("2002:7f00:1::", false)]
    [InlineData("2001:0:7f00:1::", false)]
    [InlineData("fc00::1", false)]
    [InlineData("fe80::1", false)]
    [InlineData("ff02::1", false)]
    public void Row10_public_addresses(string address, bool isPublic) => Assert.Equal(isPublic, PublicAddress.Is(IPAddress.Parse(address)));

    [Fact]
    public async Task Row10_what_is_fetched_is_bounded()
    {
        _options.Trust.FetchUrls = true;
        using ImageSource source = Source(_anywhere);
        using var server = new Server(path => path switch
        {
            "/ok.png" => Reply("200 OK", Png),
            "/moved" => "HTTP/1.1 302 Found\r\nLocation: /ok.png\r\nContent-Length: 0\r\n\r\n"u8.ToArray(),
            "/large" => Reply("200 OK", new byte[200_000]),
            "/endless" => [.. "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"u8, .. new byte[300_000]],
            "/page" => Reply("200 OK", "<!doctype html><html>"u8.ToArray()),
            _ => Reply("404 Not Found", []),
        });
        Assert.Equal(OriginRequest.NameOf(Png), await source.ResolveAsync("alice", "image", server.Address + "ok.png", Stop));
        foreach (var (path, reason) in new[] { ("moved", "redirects are not followed"), ("large", "more than 100000 bytes"), ("endless", "more than 100000 bytes"), ("page", "HTML"), ("gone", "404") })
        {
            var exception = await Assert.ThrowsAsync<InvalidRequestException>(() => source.ResolveAsync("alice", "image", server.Address + path, Stop));
            Assert.Contains(reason, exception.Message, StringComparison.Ordinal);
        }

        Assert.Equal(6, server.Requests);
    }

    [Fact]
    public async Task Row10_what_does_not_answer_is_given_up()
    {
        _options.Trust.FetchUrls = true;
        var clock = new FakeTimeProvider();
        using var urls = new UrlFetcher(1000, static _ => true, httpsOnly: false, clock);
        using ImageSource source = Source(urls);
        var asked = new SemaphoreSlim(0);
        var answer = new ManualResetEventSlim();
        using var server = new Server(_ =>
        {
            asked.Release();
            answer.Wait(CancellationToken.None);
            return [];
        });
        Task<string> fetch = source.ResolveAsync("alice", "image", server.Address + "x.png", Stop);
        await asked.WaitAsync(Stop);
        clock.Advance(TimeSpan.FromSeconds(19));
        Assert.False(fetch.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(1));
        var exception = await Assert.ThrowsAsync<InvalidRequestException>(() => fetch);
        Assert.Contains("it took too long", exception.Message, StringComparison.Ordinal);
        answer.Set();
    }

    [Fact]
    public async Task Row10_the_address_looked_at_is_the_one_connected_to()
    {
        // The only thing that decides is the address itself, whatever name led to it.
        _options.Trust.FetchUrls = true;
        var asked = new List<IPAddress>();
        using var urls = new UrlFetcher(1000, address =>
        {
            asked.Add(address);
            return false;
        }, httpsOnly: false, TimeProvider.System);
        using ImageSource source = Source(urls);
        using var server = new Server(_ => Reply("200 OK", Png));
        await Assert.ThrowsAsync<InvalidRequestException>(() => source.ResolveAsync("alice", "image", server.Address + "x.png", Stop));
        Assert.Equal([IPAddress.Loopback], asked);
        Assert.Equal(0, server.Requests);
    }

    [Fact]
    public async Task Row11_what_is_too_large_is_refused_from_its_header()
    {
        using ImageSource source = Source();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        foreach (byte[] file in new[] { PngOf(30_000, 30_000), JpegOf(65_535, 65_535), WebPOf(16_384, 16_384) })
        {
            var exception = await Assert.ThrowsAsync<InvalidRequestException>(() => source.AddAsync("alice", "image", file, Stop));
            Assert.Contains("pixels, more than", exception.Message, StringComparison.Ordinal);
        }

        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 20_000_000);
        Assert.Equal(0, _artifacts.Count);
    }

    [Fact]
    public void Row11_frames_and_texts_without_end_take_no_memory()
    {
        // One frame of an animation is read, and of a text chunk nothing.
        byte[] webp = AnimationOf(100_000), png = WithText(100 << 20);
        _codec.Decode(AnimationOf(2), ImageLimits.Default);
        long before = GC.GetAllocatedBytesForCurrentThread(), resident = Environment.WorkingSet;
        RgbImage first = _codec.Decode(webp, ImageLimits.Default);
        Assert.Equal((8, 8), (first.Width, first.Height));
        try
        {
            RgbImage image = _codec.Decode(png, ImageLimits.Default);
            Assert.Equal((4, 3), (image.Width, image.Height));
        }
        catch (ImageFormatException refused)
        {
            Assert.Contains("more than", refused.Message, StringComparison.Ordinal);
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.InRange(Environment.WorkingSet - resident, long.MinValue, 64 << 20);
    }

    [Fact]
    public async Task Row12_damaged_pictures_are_refused()
    {
        using ImageSource source = Source();
        byte[] flipped = Png;
        flipped[^20] ^= 0xFF;
        byte[] jpeg = _codec.EncodeJpeg(new RgbImage(64, 64, Enumerable.Range(0, 64 * 64 * 3).Select(i => (byte)(i * 37)).ToArray()), 90);
        byte[][] files =
        [
            [],
            Png[..^20],
            Png[..20],
            flipped,
            jpeg[..(jpeg.Length / 2)],
            jpeg[..30],
            "<svg xmlns='http://www.w3.org/2000/svg'/>"u8.ToArray(),
            "II*\0aaaaaaaaaaaa"u8.ToArray(),
            "<!doctype html><html></html>"u8.ToArray(),
            "GIF89a"u8.ToArray(),
            "RIFF\x10\0\0\0WEBPVP8 "u8.ToArray(),
        ];
        foreach (byte[] file in files)
        {
            Fault fault = Faults.Of(
                await Assert.ThrowsAsync<InvalidRequestException>(() => source.AddAsync("alice", "image", file, Stop))
            )!;
            Assert.Equal((422, "image"), (fault.Status, fault.Field));
        }

        Assert.Equal(0, _artifacts.Count);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("not base64!")]
    [InlineData("data:image/png,abc")]
    [InlineData("data:image/png;base64")]
    [InlineData("data:image/png;base64,")]
    [InlineData("QUJD")]
    [InlineData("../../etc/passwd")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    public async Task Other_texts_are_refused(string? given)
    {
        using ImageSource source = Source();
        Assert.Equal(
            "image",
            (await Assert.ThrowsAsync<InvalidRequestException>(() => source.ResolveAsync("alice", "image", given, Stop))).Field);
    }

    private ImageSource Source(UrlFetcher? urls = null) => new(_artifacts, _codec, ImageLimits.Default, urls ?? _anywhere, _options);

    private static byte[] Reply(string status, byte[] body) =>
        [.. Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n"), .. body];

    // A header of many pixels and few bytes behind it.
    private static byte[] PngOf(int width, int height)
    {
        using var pixels = new MemoryStream();
        using (var deflate = new ZLibStream(pixels, CompressionLevel.Fastest, leaveOpen: true))
        {
            deflate.Write(new byte[1 << 20]);
        }

        return PngFile.Of(width, height, 8, 2, [("IDAT", pixels.ToArray())]);
    }

    // The one frame of a still picture again and again.
    private byte[] AnimationOf(int frames)
    {
        byte[] still = _codec.EncodeWebp(new RgbImage(8, 8, new byte[192]), 50);
        ReadOnlySpan<byte> frame = still.AsSpan(12);
        using var file = new MemoryStream();
        file.Write("RIFF\0\0\0\0WEBPVP8X\x0A\0\0\0\x02\0\0\0\x07\0\0\x07\0\0ANIM\x06\0\0\0\0\0\0\0\0\0"u8);
        Span<byte> header = stackalloc byte[24];
        header.Clear();
        "ANMF"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], 16 + frame.Length);
        (header[14], header[17], header[20]) = (7, 7, 40);
        for (int i = 0; i < frames; i++)
        {
            file.Write(header);
            file.Write(frame);
        }

        byte[] whole = file.ToArray();
        BinaryPrimitives.WriteInt32LittleEndian(whole.AsSpan(4), whole.Length - 8);
        return whole;
    }

    private static byte[] WithText(int length)
    {
        byte[] text = new byte[length];
        Array.Fill(text, (byte)'a');
        text[7] = 0;
        return PngFile.Of(4, 3, 8, 2, _ => new byte[12], ("tEXt", text));
    }

    private static byte[] JpegOf(ushort width, ushort height)
    {
        byte[] file = [0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, 0, 0, 0, 0, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 0xFF, 0xD9];
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(7), height);
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(9), width);
        return file;
    }

    private static byte[] WebPOf(int width, int height)
    {
        var file = new byte[40];
        "RIFF"u8.CopyTo(file);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(4), 32);
        "WEBPVP8X"u8.CopyTo(file.AsSpan(8));
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(24), width - 1);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(27), height - 1);
        return file;
    }

    /// <summary>Answers each connection with one reply of bytes as they are.</summary>
    private sealed class Server : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private int _requests;

        public Server(Func<string, byte[]> reply)
        {
            _listener.Start();
            _ = Task.Run(async () =>
            {
                while (true)
                {
                    using TcpClient client = await _listener.AcceptTcpClientAsync();
                    Interlocked.Increment(ref _requests);
                    try
                    {
                        NetworkStream stream = client.GetStream();
                        using var reader = new StreamReader(stream, leaveOpen: true);
                        string path = (await reader.ReadLineAsync())?.Split(' ')[1] ?? "";
                        while (await reader.ReadLineAsync() is { Length: > 0 })
                        {
                        }

                        await stream.WriteAsync(reply(path));
                    }
                    catch (IOException)
                    {
                        // Who asked has had enough.
                    }
                }
            });
        }

        public string Address => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/";

        public int Requests => _requests;

        public void Dispose() => _listener.Dispose();
    }
}
