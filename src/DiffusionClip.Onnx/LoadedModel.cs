using DiffusionClip.Conditioning;
using DiffusionClip.Decoding;
using DiffusionClip.Models;

namespace DiffusionClip.Onnx;

/// <summary>The sessions of one model, and its hashes.</summary>
internal abstract class LoadedModel(ProviderInUse provider, string precision, Task<ModelHashes> hashes) : IDisposable
{
    public ProviderInUse Provider { get; } = provider;

    public string Precision { get; } = precision;

    public Task<ModelHashes> Hashes { get; } = hashes;

    public abstract void Dispose();

    /// <summary>Hashes the folder and compares with what it declares, on another thread.</summary>
    protected static Task<ModelHashes> HashAsync(ModelFolder folder) => Task.Run(() =>
    {
        ModelHashes hashes = ModelHashes.Compute(folder);
        hashes.Check(folder);
        return hashes;
    });

    /// <summary>Loads a part on another thread.</summary>
    protected static Task<IDisposable> PartAsync(Func<IDisposable> load) => Task.Run(load);

    /// <summary>Waits for all parts, and for the hashes where the folder declares any; frees what was loaded if one fails.</summary>
    protected static async Task AllAsync(ModelFolder folder, Task<ModelHashes> hashes, params Task<IDisposable>[] parts)
    {
        // The hashes come first: that a file is damaged explains the strangest errors of a session.
        Task[] all = folder.Manifest?.Files.Count > 0 ? [hashes, .. parts] : parts;
        try
        {
            await Task.WhenAll(all).ConfigureAwait(false);
        }
        catch
        {
            foreach (Task<IDisposable> part in parts)
            {
                if (part.IsCompletedSuccessfully)
                {
                    (await part.ConfigureAwait(false)).Dispose();
                }
            }

            throw;
        }
    }
}

/// <summary>The sessions of a generator.</summary>
internal sealed class LoadedGenerator : LoadedModel
{
    private readonly OnDemand<OnnxLatentDecoder>? _tinyDecoder;
    private readonly OnDemand<OnnxLatentEncoder>? _encoder;
    private readonly OnnxTextEncoder[] _textEncoders;

    private LoadedGenerator(
        DiffusionFolder folder, ProviderInUse provider, Task<ModelHashes> hashes, OnnxEnvironment environment, OnnxTextEncoder[] textEncoders, OnnxDenoiser denoiser, OnnxLatentDecoder decoder)
        : base(provider, folder.Precision, hashes)
    {
        Folder = folder;
        _textEncoders = textEncoders;
        Denoiser = denoiser;
        Decoder = decoder;
        _tinyDecoder = folder.TinyDecoder is { } tiny ? new(() => new(OnnxSession.Load(folder.PathOf(tiny.Graph), provider.Name, environment), tiny)) : null;
        _encoder = folder.Encoder is { } part ? new(() => new(OnnxSession.Load(folder.PathOf(part.Graph), provider.Name, environment), part)) : null;
    }

    public DiffusionFolder Folder { get; }

    public IReadOnlyList<ITextEncoder> TextEncoders => _textEncoders;

    public OnnxDenoiser Denoiser { get; }

    public OnnxLatentDecoder Decoder { get; }

    public ILatentDecoder PreviewDecoder => _tinyDecoder?.Value ?? Decoder;

    public ILatentEncoder? Encoder => _encoder?.Value;

    public static async Task<LoadedModel> LoadAsync(DiffusionFolder folder, ProviderInUse provider, OnnxEnvironment environment)
    {
        OnnxSession Session(string graph) => OnnxSession.Load(folder.PathOf(graph), provider.Name, environment);

        // Before the runtime opens anything: what a graph refers to may lie outside of the folder.
        folder.DescribeGraphs();

        // The largest first: loading it takes as long as all the others together.
        Task<IDisposable> denoiser = PartAsync(() => new OnnxDenoiser(Session(folder.Denoiser.Graph), folder.Denoiser));
        Task<IDisposable>[] encoders = [.. folder.TextEncoders.Select(part => PartAsync(() => new OnnxTextEncoder(Session(part.Graph), part)))];
        Task<IDisposable> decoder = PartAsync(() => new OnnxLatentDecoder(Session(folder.Decoder.Graph), folder.Decoder));
        Task<ModelHashes> hashes = HashAsync(folder);
        await AllAsync(folder, hashes, [denoiser, decoder, .. encoders]).ConfigureAwait(false);
        return new LoadedGenerator(
            folder,
            provider,
            hashes,
            environment,
            [.. (await Task.WhenAll(encoders).ConfigureAwait(false)).Cast<OnnxTextEncoder>()],
            (OnnxDenoiser)await denoiser.ConfigureAwait(false),
            (OnnxLatentDecoder)await decoder.ConfigureAwait(false));
    }

    public override void Dispose()
    {
        Denoiser.Dispose();
        Decoder.Dispose();
        Array.ForEach(_textEncoders, encoder => encoder.Dispose());
        _tinyDecoder?.Dispose();
        _encoder?.Dispose();
    }
}

/// <summary>The sessions of a CLIP.</summary>
internal sealed class LoadedClip : LoadedModel
{
    private readonly Lazy<ClipLogits> _logits;

    private LoadedClip(
        ClipFolder folder, ProviderInUse provider, Task<ModelHashes> hashes, OnnxEnvironment environment, OnnxClipTextEncoder text, OnnxClipImageEncoder image)
        : base(provider, folder.Precision, hashes)
    {
        Folder = folder;
        Text = text;
        Image = image;
        _logits = new(() => folder.Logits ?? MeasureLogits(folder, provider, environment), LazyThreadSafetyMode.PublicationOnly);
    }

    public ClipLogits Logits => _logits.Value;

    public ClipFolder Folder { get; }

    public OnnxClipTextEncoder Text { get; }

    public OnnxClipImageEncoder Image { get; }

    public static async Task<LoadedModel> LoadAsync(ClipFolder folder, ProviderInUse provider, OnnxEnvironment environment)
    {
        folder.DescribeGraphs();
        if (folder is { Logits: null, JointGraph: null })
        {
            throw new ModelFolderException(folder.PathOf("config.json"), "logit_scale and logit_bias are missing, without which a SigLIP's cosines are no probabilities; add them, or the joint onnx/model.onnx");
        }

        Task<ModelHashes> hashes = HashAsync(folder);
        if (folder.IsJoint)
        {
            // One session plays both towers.
            Task<IDisposable> joint = PartAsync(() => OnnxSession.Load(folder.PathOf(folder.TextGraph), provider.Name, environment));
            await AllAsync(folder, hashes, joint).ConfigureAwait(false);
            var session = (OnnxSession)await joint.ConfigureAwait(false);
            var first = new OnnxClipTextEncoder(session, folder);
            try
            {
                return new LoadedClip(folder, provider, hashes, environment, first, new OnnxClipImageEncoder(session, folder));
            }
            catch
            {
                first.Dispose();
                throw;
            }
        }

        Task<IDisposable> image = PartAsync(() => new OnnxClipImageEncoder(OnnxSession.Load(folder.PathOf(folder.ImageGraph), provider.Name, environment), folder));
        Task<IDisposable> text = PartAsync(() => new OnnxClipTextEncoder(OnnxSession.Load(folder.PathOf(folder.TextGraph), provider.Name, environment), folder));
        await AllAsync(folder, hashes, image, text).ConfigureAwait(false);
        return new LoadedClip(
            folder, provider, hashes, environment, (OnnxClipTextEncoder)await text.ConfigureAwait(false), (OnnxClipImageEncoder)await image.ConfigureAwait(false));
    }

    public override void Dispose()
    {
        Text.Dispose();
        Image.Dispose();
    }

    private static ClipLogits MeasureLogits(ClipFolder folder, ProviderInUse provider, OnnxEnvironment environment)
    {
        using OnnxSession joint = OnnxSession.Load(folder.PathOf(folder.JointGraph!), provider.Name, environment);
        return OnnxClipLogits.Measure(joint, folder);
    }
}

/// <summary>A part that is loaded when it is first asked for; a failure is not remembered.</summary>
internal sealed class OnDemand<T>(Func<T> load) : IDisposable where T : class, IDisposable
{
    private readonly Lock _gate = new();
    private T? _value;
    private bool _disposed;

    public T Value
    {
        get
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                return _value ??= load();
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _value?.Dispose();
        }
    }
}
