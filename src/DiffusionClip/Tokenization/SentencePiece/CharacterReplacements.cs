using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DiffusionClip.Tokenization.SentencePiece;

/// <summary>
/// The <c>precompiled_charsmap</c> of a SentencePiece model: a double-array trie over UTF-8 (Yata et al. 2007, the layout of darts-clone)
/// whose values point into a list of replacements.
/// </summary>
internal sealed class CharacterReplacements
{
    private readonly uint[] _units;
    private readonly byte[] _texts;

    private CharacterReplacements(uint[] units, byte[] texts)
    {
        _units = units;
        _texts = texts;
    }

    /// <summary>Reads the map: length of the trie in bytes, the trie, then replacements that end in NUL.</summary>
    /// <exception cref="ModelFolderException">It is cut off.</exception>
    public static CharacterReplacements Read(ReadOnlySpan<byte> map, string path)
    {
        uint size = map.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(map) : uint.MaxValue;
        if (size > map.Length - 4 || size % 4 != 0 || size == 0)
        {
            throw new ModelFolderException(
                path,
                "precompiled_charsmap is damaged: its trie is longer than the map; download the file again");
        }

        uint[] units = MemoryMarshal.Cast<byte, uint>(map.Slice(4, (int)size)).ToArray();
        return new(units, map[(4 + (int)size)..].ToArray());
    }

    /// <summary>The replacement of the longest beginning of a text that has one.</summary>
    /// <param name="text">UTF-8; not empty.</param>
    /// <param name="replacement">What to write.</param>
    /// <returns>Bytes replaced; 0 if no beginning has a replacement.</returns>
    public int Longest(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        int length = 0;
        uint found = 0, node = Offset(_units[0]);
        for (int i = 0; i < text.Length; i++)
        {
            node ^= text[i];
            if (node >= _units.Length || Label(_units[node]) != text[i])
            {
                break;
            }

            uint unit = _units[node];
            node ^= Offset(unit);
            if ((unit & 0x100) != 0 && node < _units.Length)
            {
                (length, found) = (i + 1, _units[node] & 0x7fffffff);
            }
        }

        replacement = default;
        if (length > 0 && found < _texts.Length)
        {
            ReadOnlySpan<byte> rest = _texts.AsSpan((int)found);
            int end = rest.IndexOf((byte)0);
            replacement = end < 0 ? rest : rest[..end];
        }

        return length;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    private static uint Label(uint unit) => unit & 0x800000ff;
}
