using System.Text;

namespace DiffusionClip.Tokenization.SentencePiece;

/// <summary>
/// Cuts a text into the pieces whose probabilities multiply to the most (Kudo 2018, section 3.2; Viterbi over the text, float32 sums as
/// google/sentencepiece makes them). Thread-safe.
/// </summary>
internal sealed class UnigramTokenizer
{
    // What an unknown character costs more than the least probable piece.
    private const float UnknownPenalty = 10;
    private const string SpaceSymbol = "\u2581";

    private readonly SentencePieceModel _model;
    private readonly bool _addDummyPrefix;
    private readonly Dictionary<string, int> _pieces = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly byte[][] _userDefined;
    private readonly int[] _bytes = new int[256];
    private readonly int _longest;
    private readonly float _unknownScore;
    private readonly float _maxScore;

    /// <summary>Prepares a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="addDummyPrefix">Whether a space is put before the text; null: as the model says.</param>
    public UnigramTokenizer(SentencePieceModel model, bool? addDummyPrefix = null)
    {
        _model = model;
        _addDummyPrefix = addDummyPrefix ?? model.AddDummyPrefix;
        float least = float.MaxValue, most = float.MinValue;
        Array.Fill(_bytes, model.UnknownId);
        for (int id = 0; id < model.Pieces.Count; id++)
        {
            Piece piece = model.Pieces[id];
            if (piece.Kind is PieceKind.Normal or PieceKind.UserDefined or PieceKind.Unused && piece.Text.Length > 0)
            {
                _pieces.TryAdd(piece.Text, id);
                _longest = Math.Max(_longest, piece.Text.Length);
            }

            if (piece.Kind == PieceKind.Normal)
            {
                (least, most) = (Math.Min(least, piece.Score), Math.Max(most, piece.Score));
            }

            if (
                piece.Kind == PieceKind.Byte
                && piece.Text is ['<', '0', 'x', .. var digits, '>']
                && byte.TryParse(
                    digits,
                    System.Globalization.NumberStyles.HexNumber,
                    System.Globalization.CultureInfo.InvariantCulture,
                    out byte value))
            {
                _bytes[value] = id;
            }
        }

        _lookup = _pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        _userDefined =
        [
            .. model
                .Pieces.Where(piece => piece.Kind == PieceKind.UserDefined)
                .Select(piece => Encoding.UTF8.GetBytes(piece.Text))
                .OrderByDescending(bytes => bytes.Length),
        ];
        (_unknownScore, _maxScore) = (least - UnknownPenalty, most);
    }

    /// <summary>Token ids of a text, without start and end.</summary>
    /// <param name="text">Any text without lone surrogates.</param>
    public List<int> Encode(string text)
    {
        string normalized = Normalize(text);
        int[] startOf = new int[normalized.Length + 1], idOf = new int[normalized.Length + 1];
        float[] scoreOf = new float[normalized.Length + 1];
        Array.Fill(startOf, -1);
        for (int start = 0; start < normalized.Length;)
        {
            int character = Rune.TryGetRuneAt(normalized, start, out Rune rune) ? rune.Utf16SequenceLength : 1;
            bool isCovered = false;
            int most = Math.Min(_longest, normalized.Length - start);
            for (int length = 1; length <= most; length++)
            {
                if (!_lookup.TryGetValue(normalized.AsSpan(start, length), out int id) || _model.Pieces[id].Kind == PieceKind.Unused)
                {
                    continue;
                }

                float score = _model.Pieces[id].Kind == PieceKind.UserDefined
                    ? (float)((Encoding.UTF8.GetByteCount(normalized.AsSpan(start, length)) * _maxScore) - 0.1)
                    : _model.Pieces[id].Score;
                Offer(start, start + length, id, score);
                isCovered |= length == character;
            }

            if (!isCovered)
            {
                Offer(start, start + character, _model.UnknownId, _unknownScore);
            }

            start += character;
        }

        return Collect(normalized, startOf, idOf);

        void Offer(int start, int end, int id, float score)
        {
            float total = score + scoreOf[start];
            if (startOf[end] < 0 || total > scoreOf[end])
            {
                (startOf[end], idOf[end], scoreOf[end]) = (start, id, total);
            }
        }
    }

    private List<int> Collect(string normalized, int[] startOf, int[] idOf)
    {
        var path = new Stack<int>();
        for (int end = normalized.Length; end > 0; end = startOf[end])
        {
            path.Push(end);
        }

        var ids = new List<int>(path.Count);
        bool wasUnknown = false;
        foreach (int end in path)
        {
            bool isUnknown = idOf[end] == _model.UnknownId;
            if (isUnknown && _model.ByteFallback)
            {
                ids.AddRange(Encoding.UTF8.GetBytes(normalized, startOf[end], end - startOf[end]).Select(value => _bytes[value]));
            }
            else if (!isUnknown || !wasUnknown)
            {
                // A run of the unknown is one token.
                ids.Add(idOf[end]);
            }

            wasUnknown = isUnknown;
        }

        return ids;
    }

    // As google/sentencepiece's normalizer.cc does it, in its order.
    private string Normalize(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        ReadOnlySpan<byte> input = bytes, space = Encoding.UTF8.GetBytes(_model.EscapeSpaces ? SpaceSymbol : " ");
        if (_model.RemoveExtraSpaces)
        {
            while (!input.IsEmpty)
            {
                int consumed = Next(input, out ReadOnlySpan<byte> part);
                if (!part.SequenceEqual(" "u8))
                {
                    break;
                }

                input = input[consumed..];
            }
        }

        if (input.IsEmpty)
        {
            return "";
        }

        var output = new List<byte>(bytes.Length + 8);
        if (_addDummyPrefix && !_model.SpaceIsSuffix)
        {
            output.AddRange(space);
        }

        bool wasSpace = _model.RemoveExtraSpaces;
        while (!input.IsEmpty)
        {
            int consumed = Next(input, out ReadOnlySpan<byte> part);
            input = input[consumed..];
            while (wasSpace && part.StartsWith(" "u8))
            {
                part = part[1..];
            }

            foreach (byte value in part)
            {
                if (value == ' ')
                {
                    output.AddRange(space);
                }
                else
                {
                    output.Add(value);
                }
            }

            if (!part.IsEmpty)
            {
                wasSpace = part[^1] == ' ';
            }

            wasSpace &= _model.RemoveExtraSpaces;
        }

        ReadOnlySpan<byte> result = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(output);
        while (_model.RemoveExtraSpaces && result.EndsWith(space))
        {
            result = result[..^space.Length];
        }

        return Encoding.UTF8.GetString(result) + (_addDummyPrefix && _model.SpaceIsSuffix ? Encoding.UTF8.GetString(space) : "");
    }

    private int Next(ReadOnlySpan<byte> input, out ReadOnlySpan<byte> part)
    {
        foreach (byte[] whole in _userDefined)
        {
            if (input.StartsWith(whole))
            {
                part = input[..whole.Length];
                return whole.Length;
            }
        }

        if (_model.Replacements is { } replacements && replacements.Longest(input, out part) is > 0 and int replaced)
        {
            return replaced;
        }

        Rune.DecodeFromUtf8(input, out _, out int length);
        part = input[..length];
        return length;
    }
}
