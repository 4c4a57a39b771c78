using DiffusionClip.Families;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Onnx;

/// <summary>The sessions of one model, and its hashes.</summary>
internal abstract class LoadedModel(ProviderInUse provider, string precision, Task<ModelHashes> hashes) : IDisposable
{
    /// <summary>Lends the model.</summary>
    /// <param name="giveBack">To be called once, when the lease is disposed.</param>
    public abstract ModelLease Lend(Action giveBack);

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

    /// <summary>
    /// Loads what is no session, then the parts, on another thread, one after the other, beside the hashing; waits for the hashes where the
    /// folder declares any, and frees what was loaded if something fails.
    /// </summary>
    /// <remarks>
    /// Loading parts in parallel would be no faster, the denoiser being most of the work, but would take half as much memory again: the
    /// allocator gives each thread an arena of its own, and what loading leaves free in one serves no other.
    /// </remarks>
    protected static async Task<IDisposable[]> LoadAsync(
        ModelFolder folder,
        Task<ModelHashes> hashes,
        Action first,
        params Func<IDisposable>[] parts)
    {
        var loaded = new List<IDisposable>();
        Task loading = Task.Run(() =>
        {
            first();
            foreach (Func<IDisposable> part in parts)
            {
                loaded.Add(part());
            }
        });
        try
        {
            // The hashes come first: that a file is damaged explains the strangest errors of a session.
            await Task.WhenAll(folder.Manifest?.Files.Count > 0 ? [hashes, loading] : [loading]).ConfigureAwait(false);
            return [.. loaded];
        }
        catch
        {
            loaded.ForEach(part => part.Dispose());
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
        GeneratorFolder folder,
        IReadOnlyList<ITokenizer> tokenizers,
        ProviderInUse provider,
        Task<ModelHashes> hashes,
        OnnxEnvironment environment,
        OnnxTextEncoder[] textEncoders,
        OnnxDenoiser denoiser,
        OnnxLatentDecoder decoder)
        : base(provider, folder.Precision, hashes)
    {
        Folder = folder;
        Tokenizers = tokenizers;
        _textEncoders = textEncoders;
        Denoiser = denoiser;
        Decoder = decoder;
        _tinyDecoder = folder.TinyDecoder is { } tiny
            ? new(() => new(OnnxSession.Load(folder.PathOf(tiny.Graph), provider.Name, environment), tiny))
            : null;
        _encoder = folder.Encoder is { } part
            ? new(() => new(OnnxSession.Load(folder.PathOf(part.Graph), provider.Name, environment), part))
            : null;
    }

    public GeneratorFolder Folder { get; }

    public IReadOnlyList<ITokenizer> Tokenizers { get; }

    public IReadOnlyList<ITextEncoder> TextEncoders => _textEncoders;

    public OnnxDenoiser Denoiser { get; }

    public OnnxLatentDecoder Decoder { get; }

    public ILatentDecoder PreviewDecoder => _tinyDecoder?.Value ?? Decoder;

    public ILatentEncoder? Encoder => _encoder?.Value;

    public override ModelLease Lend(Action giveBack) => new OnnxGeneratorLease(this, giveBack);

    public static async Task<LoadedModel> LoadAsync(
        GeneratorFolder folder,
        IModelFamily family,
        ProviderInUse provider,
        OnnxEnvironment environment)
    {
        OnnxSession Session(string graph) => OnnxSession.Load(folder.PathOf(graph), provider.Name, environment);

        // Before the runtime opens anything: what a graph refers to may lie outside of the folder.
        folder.DescribeGraphs();

        // The largest first: the others fit into what loading it leaves free.
        Task<ModelHashes> hashes = HashAsync(folder);
        IReadOnlyList<ITokenizer> tokenizers = [];
        IDisposable[] parts = await LoadAsync(
            folder,
            hashes,
            () => tokenizers = family.LoadTokenizers(folder),
            [
                () => new OnnxDenoiser(Session(folder.Denoiser.Graph), folder.Denoiser, family.Denoiser(folder)),
                () => new OnnxLatentDecoder(Session(folder.Decoder.Graph), folder.Decoder),
                .. folder.TextEncoders.Select(part => (Func<IDisposable>)(() => new OnnxTextEncoder(Session(part.Graph), part))),
            ]).ConfigureAwait(false);
        return new LoadedGenerator(
            folder, tokenizers, provider, hashes, environment, [.. parts.OfType<OnnxTextEncoder>()], (OnnxDenoiser)parts[0], (OnnxLatentDecoder)parts[1]);
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
        ClipFolder folder, ITokenizer tokenizer, ProviderInUse provider, Task<ModelHashes> hashes, OnnxEnvironment environment,
        OnnxClipTextEncoder text, OnnxClipImageEncoder image)
        : base(provider, folder.Precision, hashes)
    {
        Folder = folder;
        Tokenizer = tokenizer;
        Text = text;
        Image = image;
        _logits = new(() => folder.Logits ?? MeasureLogits(folder, provider, environment), LazyThreadSafetyMode.PublicationOnly);
    }

    public ClipLogits Logits => _logits.Value;

    public ClipFolder Folder { get; }

    public ITokenizer Tokenizer { get; }

    public OnnxClipTextEncoder Text { get; }

    public OnnxClipImageEncoder Image { get; }

    public override ModelLease Lend(Action giveBack) => new OnnxClipLease(this, giveBack);

    public static async Task<LoadedModel> LoadAsync(ClipFolder folder, ProviderInUse provider, OnnxEnvironment environment)
    {
        folder.DescribeGraphs();
        if (folder is { Logits: null, JointGraph: null })
        {
            throw new ModelFolderException(
                folder.PathOf("config.json"),
                "logit_scale and logit_bias are missing, without which a SigLIP's cosines are no probabilities; add them, or the joint onnx/model.onnx"
            );
        }

        Task<ModelHashes> hashes = HashAsync(folder);
        OnnxSession Session(string graph) => OnnxSession.Load(folder.PathOf(graph), provider.Name, environment);
        ITokenizer? tokenizer = null;
        void ReadTokenizer() => tokenizer = folder.Family == ClipFamily.Siglip
            ? SiglipTokenizer.Load(folder.TokenizerPath)
            : ClipTokenizer.Load(folder.TokenizerPath, TextNormalization.Scoring);
        IDisposable[] parts;
        if (folder.IsJoint)
        {
            // One session plays both towers.
            parts = await LoadAsync(folder, hashes, ReadTokenizer, () => Session(folder.ImageGraph)).ConfigureAwait(false);
            var session = (OnnxSession)parts[0];
            try
            {
                parts = [new OnnxClipImageEncoder(session, folder), new OnnxClipTextEncoder(session, folder)];
            }
            catch
            {
                session.Dispose();
                throw;
            }
        }
        else
        {
            parts = await LoadAsync(
                folder,
                hashes,
                ReadTokenizer,
                () => new OnnxClipImageEncoder(Session(folder.ImageGraph), folder),
                () => new OnnxClipTextEncoder(Session(folder.TextGraph), folder)).ConfigureAwait(false);
        }

        return new LoadedClip(
            folder,
            tokenizer!,
            provider,
            hashes,
            environment,
            (OnnxClipTextEncoder)parts[1],
            (OnnxClipImageEncoder)parts[0]);
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
