namespace DiffusionClip.Runtime;

/// <summary>The text tower of a CLIP model.</summary>
public interface IClipTextEncoder : IDisposable
{
    /// <summary>Encodes one text.</summary>
    /// <param name="ids">Token ids with start, end and padding.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    /// <returns>The text's embedding as the graph gives it, not normalised.</returns>
    ReadOnlyMemory<float> Encode(ReadOnlySpan<int> ids, CancellationToken cancellationToken);
}

/// <summary>The image tower of a CLIP model.</summary>
public interface IClipImageEncoder : IDisposable
{
    /// <summary>Encodes a batch.</summary>
    /// <param name="pixelValues">[rows, 3, height, width], normalised as the model wants.</param>
    /// <param name="rows">Pictures.</param>
    /// <param name="height">Height the model takes.</param>
    /// <param name="width">Width the model takes.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    /// <returns>[rows, width of the embedding] as the graph gives it, not normalised.</returns>
    ReadOnlyMemory<float> Encode(ReadOnlySpan<float> pixelValues, int rows, int height, int width, CancellationToken cancellationToken);
}
