using DiffusionClip.Imaging;

namespace DiffusionClip.Worker.Trust;

/// <summary>A body of unknown length: reserves room as it is read.</summary>
/// <param name="inner">The body as it comes.</param>
/// <param name="reserve">Called with the number of bytes read; throws where there is no room for them.</param>
internal sealed class CountedBody(Stream inner, Action<int> reserve) : ForwardStream
{
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        Counted(await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(Span<byte> buffer) => Counted(inner.Read(buffer));

    private int Counted(int bytes)
    {
        reserve(bytes);
        return bytes;
    }
}
