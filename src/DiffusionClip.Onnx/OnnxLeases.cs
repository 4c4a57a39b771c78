using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

/// <summary>A generator on loan.</summary>
internal sealed class OnnxGeneratorLease(LoadedGenerator model, Action giveBack) : GeneratorLease
{
    private Action? _giveBack = giveBack;

    public override ProviderInUse Provider => model.Provider;

    public override string Precision => model.Precision;

    public override Task<ModelHashes> Hashes => model.Hashes;

    public override DiffusionFolder Folder => Alive().Folder;

    public override IDenoiser Denoiser => Alive().Denoiser;

    public override IReadOnlyList<ITextEncoder> TextEncoders => Alive().TextEncoders;

    public override ILatentDecoder LatentDecoder => Alive().Decoder;

    public override ILatentDecoder PreviewDecoder => Alive().PreviewDecoder;

    public override ILatentEncoder? LatentEncoder => Alive().Encoder;

    protected override void Dispose(bool disposing) => Interlocked.Exchange(ref _giveBack, null)?.Invoke();

    private LoadedGenerator Alive()
    {
        ObjectDisposedException.ThrowIf(_giveBack is null, this);
        return model;
    }
}

/// <summary>A CLIP on loan.</summary>
internal sealed class OnnxClipLease(LoadedClip model, Action giveBack) : ClipLease
{
    private Action? _giveBack = giveBack;

    public override ProviderInUse Provider => model.Provider;

    public override string Precision => model.Precision;

    public override Task<ModelHashes> Hashes => model.Hashes;

    public override ClipFolder Folder => Alive().Folder;

    public override IClipTextEncoder TextEncoder => Alive().Text;

    public override IClipImageEncoder ImageEncoder => Alive().Image;

    public override ClipLogits Logits => Alive().Logits;

    protected override void Dispose(bool disposing) => Interlocked.Exchange(ref _giveBack, null)?.Invoke();

    private LoadedClip Alive()
    {
        ObjectDisposedException.ThrowIf(_giveBack is null, this);
        return model;
    }
}
