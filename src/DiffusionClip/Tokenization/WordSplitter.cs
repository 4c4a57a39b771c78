using System.Globalization;
using System.Text;

namespace DiffusionClip.Tokenization;

/// <summary>
/// Cuts a normalized text into words as CLIP's regular expression does: one of two special spellings, an English contraction's
/// ending, a run of letters, a single digit, or a run of anything else that is not white space. White space falls away.
/// </summary>
internal ref struct WordSplitter
{
    private readonly ReadOnlySpan<char> _text;
    private readonly TextNormalization _normalization;
    private int _position;
    private int _specialEnd;

    public WordSplitter(ReadOnlySpan<char> text, TextNormalization normalization)
    {
        _text = text;
        _normalization = normalization;
    }

    private enum Kind
    {
        Space,
        Letter,
        Number,
        Other,
    }

    /// <summary>The word last found.</summary>
    public ReadOnlySpan<char> Current { get; private set; }

    public bool MoveNext()
    {
        while (_position < _text.Length)
        {
            Kind kind = KindAt(_position, out int length);
            if (kind != Kind.Space)
            {
                int end = kind == Kind.Other && _position >= _specialEnd ? EndOfException() : _position;
                if (end == _position)
                {
                    end += length;
                    int limit = _position < _specialEnd ? _specialEnd : _text.Length;
                    while (kind != Kind.Number && end < limit && KindAt(end, out length) == kind)
                    {
                        end += length;
                    }
                }

                Current = _text[_position..end];
                _position = end;
                return true;
            }

            _position += length;
        }

        return false;
    }

    /// <summary>Where a special spelling or a contraction's ending ends that begins here; the position itself if none does.</summary>
    private int EndOfException()
    {
        ReadOnlySpan<char> rest = _text[_position..];
        if (_normalization == TextNormalization.Diffusion)
        {
            foreach (string special in (ReadOnlySpan<string>)["<|startoftext|>", "<|endoftext|>"])
            {
                if (rest.StartsWith(special, StringComparison.Ordinal))
                {
                    // The expression takes it whole, the byte-level step behind it cuts it again. So only its ends matter.
                    _specialEnd = _position + special.Length;
                    return _position;
                }
            }
        }
        else
        {
            foreach (string special in (ReadOnlySpan<string>)[ClipTokenizer.OpenClipStart, ClipTokenizer.OpenClipEnd])
            {
                if (StartsWithIgnoringCase(rest, special))
                {
                    return _position + special.Length;
                }
            }
        }

        foreach (string ending in (ReadOnlySpan<string>)["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"])
        {
            if (
                _normalization == TextNormalization.Diffusion
                    ? rest.StartsWith(ending, StringComparison.Ordinal)
                    : StartsWithIgnoringCase(rest, ending))
            {
                return _position + ending.Length;
            }
        }

        return _position;
    }

    /// <summary>The text is in lower case already; of what else ignoring case makes equal, ſ and s remain.</summary>
    private static bool StartsWithIgnoringCase(ReadOnlySpan<char> text, string lower)
    {
        if (text.Length < lower.Length)
        {
            return false;
        }

        for (int i = 0; i < lower.Length; i++)
        {
            if (text[i] != lower[i] && !(text[i] == 'ſ' && lower[i] == 's'))
            {
                return false;
            }
        }

        return true;
    }

    private readonly Kind KindAt(int index, out int length)
    {
        char c = _text[index];
        length = 1;
        if (char.IsAscii(c))
        {
            return char.IsAsciiLetter(c) ? Kind.Letter
                : char.IsAsciiDigit(c) ? Kind.Number
                : char.IsWhiteSpace(c) ? Kind.Space
                : Kind.Other;
        }

        Rune.DecodeFromUtf16(_text[index..], out Rune rune, out length);
        if (Rune.IsLetter(rune))
        {
            return Kind.Letter;
        }

        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Rune.IsWhiteSpace(rune) ? Kind.Space : Kind.Other,
        };
    }
}
