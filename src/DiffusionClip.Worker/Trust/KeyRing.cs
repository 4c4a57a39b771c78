using System.Security.Cryptography;
using System.Text;

namespace DiffusionClip.Worker.Trust;

/// <summary>The keys and their names. Holds hashes only; compares in constant time.</summary>
internal sealed class KeyRing
{
    private const int LeastLength = 16;
    private readonly (string Name, byte[] Hash)[] _keys;

    private KeyRing((string Name, byte[] Hash)[] keys) => _keys = keys;

    /// <summary>Whether no key is needed.</summary>
    public bool IsEmpty => _keys.Length == 0;

    /// <summary>Collects the keys of configuration and key file.</summary>
    /// <exception cref="InvalidRequestException">
    /// A name or key cannot be used, or the key file cannot be read. Keys are never shown.
    /// </exception>
    public static KeyRing Read(TrustOptions options)
    {
        List<(string Name, byte[] Hash)> keys = [];
        foreach ((string name, string key) in options.Keys)
        {
            Add(keys, $"Worker:Trust:Keys:{name}", name, key);
        }

        if (options.KeyFile is { Length: > 0 } file)
        {
            int number = 0;
            foreach (string line in Lines(file))
            {
                number++;
                string text = line.Trim();
                if (text.Length == 0 || text[0] == '#')
                {
                    continue;
                }

                int colon = text.IndexOf(':', StringComparison.Ordinal);
                string field = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{file}, line {number}");
                if (colon < 1)
                {
                    throw new InvalidRequestException(field, "(not shown)", "write one name: key a line");
                }

                Add(keys, field, text[..colon].Trim(), text[(colon + 1)..].Trim());
            }

            if (keys.Count == 0)
            {
                throw new InvalidRequestException("Worker:Trust:KeyFile", file, "it holds no key; write one name: key a line");
            }
        }

        return new KeyRing([.. keys]);
    }

    /// <summary>The name of a key; null if it is unknown. Takes the same time for every key.</summary>
    public string? NameOf(string key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(key), hash);
        string? found = null;
        foreach ((string name, byte[] known) in _keys)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, known))
            {
                found = name;
            }
        }

        return found;
    }

    private static IEnumerable<string> Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InvalidRequestException("Worker:Trust:KeyFile", file, exception.Message);
        }
    }

    private static void Add(List<(string Name, byte[] Hash)> keys, string field, string name, string key)
    {
        if (
            name.Length is 0 or > 64
            || !name.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.' or '@'))
        {
            throw new InvalidRequestException(field, name, "a caller's name has 1 to 64 letters, digits and . _ - @");
        }

        if (key.Length < LeastLength)
        {
            throw new InvalidRequestException(
                field,
                "(not shown)",
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"a key has at least {LeastLength} characters; make one with: openssl rand -hex 32"));
        }

        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        if (keys.Any(other => other.Name == name || other.Hash.AsSpan().SequenceEqual(hash)))
        {
            throw new InvalidRequestException(field, "(not shown)", "the name or the key is there twice");
        }

        keys.Add((name, hash));
    }
}
