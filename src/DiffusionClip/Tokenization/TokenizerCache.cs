using System.Collections.Concurrent;

namespace DiffusionClip.Tokenization;

/// <summary>Tokenizers by folder: reading a full vocabulary takes long, and it does not change while a program runs.</summary>
public sealed class TokenizerCache
{
    private readonly ConcurrentDictionary<string, Lazy<ClipTokenizer>> _tokenizers = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Lazy<SiglipTokenizer>> _siglip = new(StringComparer.Ordinal);

    /// <summary>The tokenizer of a folder, read once.</summary>
    /// <exception cref="ModelFolderException">A file is missing or damaged.</exception>
    public ClipTokenizer Get(string folder) =>
        _tokenizers.GetOrAdd(Path.GetFullPath(folder), static path => new Lazy<ClipTokenizer>(() => ClipTokenizer.Load(path), LazyThreadSafetyMode.PublicationOnly)).Value;

    /// <summary>The tokenizer of a SigLIP's folder, read once.</summary>
    /// <exception cref="ModelFolderException">A file is missing or damaged.</exception>
    public SiglipTokenizer GetSiglip(string folder) =>
        _siglip.GetOrAdd(Path.GetFullPath(folder), static path => new Lazy<SiglipTokenizer>(() => SiglipTokenizer.Load(path), LazyThreadSafetyMode.PublicationOnly)).Value;
}
