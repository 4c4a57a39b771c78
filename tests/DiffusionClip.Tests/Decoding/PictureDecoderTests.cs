using DiffusionClip.Models;
using DiffusionClip.Origins;
using DiffusionClip.Runtime;

namespace DiffusionClip.Decoding;

public sealed class PictureDecoderTests
{
    private const int Latents = 160;
    private const int Scale = 8;
    private const int Side = Latents * Scale;

    // What else a run allocates is of the size of its latents, not of its picture.
    private const int Slack = 2 << 20;

    private static readonly LatentShape Shape = new(4, Latents, Latents);

    private static AutoencoderFolder Folder => new()
    {
        Graph = "model.onnx",
        ConfigPath = "config.json",
        LatentChannels = 4,
        ScalingFactor = 0.5f,
        SpatialScale = Scale,
    };

    [Fact]
    public void A_large_picture_leaves_no_working_memory_on_the_managed_heap()
    {
        using Autoencoder autoencoder = new();
        PictureDecoder decoder = new(autoencoder, Folder, Shape);
        float[] latents = new float[Shape.Length];
        RgbImage? image = null;
        string? failure = null;
        long allocated = Allocated(() => image = decoder.Decode(latents, CancellationToken.None, out failure));
        Assert.Null(failure);
        Assert.Equal((Side, Side), (image!.Width, image.Height));
        Assert.Equal(-1, image.Pixels.Span.IndexOfAnyExcept((byte)191));
        Assert.InRange(allocated, image.Pixels.Length, image.Pixels.Length + Slack);
    }

    [Fact]
    public void A_large_picture_is_encoded_from_working_memory_off_the_managed_heap()
    {
        using Autoencoder autoencoder = new();
        RgbImage image = new(Side, Side, new byte[3 * Side * Side]);
        Assert.InRange(Allocated(() => EncodedPicture.Encode(image, autoencoder, Folder, default, CancellationToken.None)), 0, Slack);
        Assert.Equal(-1, autoencoder.Least);
    }

    [Fact]
    public void A_size_beyond_every_array_is_an_error_before_anything_is_decoded()
    {
        using Autoencoder autoencoder = new();
        LatentShape shape = new(1, 4096, 4096);
        PictureDecoder decoder = new(autoencoder, Folder with { LatentChannels = 1 }, shape);
        Assert.Throws<OverflowException>(() => decoder.Decode(default, CancellationToken.None, out _));
    }

    private static long Allocated(Action action)
    {
        // The shared pool keeps what was rented for each thread: a new one sees what is taken.
        long allocated = 0;
        Thread thread = new(() =>
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        });
        thread.Start();
        thread.Join();
        return allocated;
    }

    private sealed class Autoencoder : ILatentDecoder, ILatentEncoder
    {
        public float Least { get; private set; }

        public int LatentChannels => 4;

        public bool GivesDistribution => false;

        public void Decode(ReadOnlySpan<float> latents, LatentShape shape, Span<float> destination, CancellationToken cancellationToken) =>
            destination.Fill(0.5f);

        public LatentEncoding Encode(ReadOnlySpan<float> pixels, int height, int width, CancellationToken cancellationToken)
        {
            Least = System.Numerics.Tensors.TensorPrimitives.Min(pixels);
            return new LatentEncoding(default, default, Shape);
        }

        public void Dispose()
        {
        }
    }
}
