using DiffusionClip.Tokenization;

namespace DiffusionClip.Conditioning.Prompts;

/// <summary>One sequence of a text encoder's length.</summary>
/// <param name="Ids">[limit]: start, tokens, end, then padding.</param>
/// <param name="Weights">[limit]: factor of each token's hidden state; 1 for start, end and padding.</param>
/// <param name="Count">Tokens of the prompt in it.</param>
internal sealed record PromptWindow(ReadOnlyMemory<int> Ids, ReadOnlyMemory<double> Weights, int Count)
{
    /// <summary>Whether any weight is not 1.</summary>
    public bool IsWeighted { get; } = Weights.Span.ContainsAnyExcept(1);
}

/// <summary>
/// A prompt as windows that together hold all of it, as the webui cuts them: a full window is cut after its last comma if that
/// is among its last 20 tokens, BREAK ends a window early.
/// </summary>
internal sealed class PromptWindows : EncoderTokens
{
    /// <summary>Most windows of one prompt: what lies beyond is dropped, and reported. Attention grows with their number.</summary>
    public const int Most = 64;

    /// <summary>How many tokens back a comma may lie for a window to end there.</summary>
    public const int CommaReach = 20;

    private readonly ITokenizer _tokenizer;

    private PromptWindows(ITokenizer tokenizer, int limit, IReadOnlyList<PromptWindow> windows, int dropped)
    {
        _tokenizer = tokenizer;
        Limit = limit;
        Windows = windows;
        Dropped = dropped;
    }

    /// <summary>The windows, at least one.</summary>
    public IReadOnlyList<PromptWindow> Windows { get; }

    /// <summary>Length of a window, start and end included.</summary>
    public int Limit { get; }

    /// <summary>Tokens of the prompt that the windows hold.</summary>
    public override int Count => Windows.Sum(window => window.Count);

    /// <summary>Tokens beyond the last window.</summary>
    public override int Dropped { get; }

    /// <inheritdoc/>
    public override int Sequences => Windows.Count;

    /// <summary>Cuts a prompt into windows.</summary>
    /// <param name="tokenizer">The encoder's tokenizer.</param>
    /// <param name="limit">The encoder's length, start and end included, from 3.</param>
    /// <param name="runs">The prompt's words with their weights.</param>
    /// <exception cref="ArgumentException">The tokenizer's sequences have no start.</exception>
    public static PromptWindows Of(ITokenizer tokenizer, int limit, IReadOnlyList<WeightedText> runs)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(runs);
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 3);
        var writer = new Writer(tokenizer, limit);
        foreach (WeightedText run in runs)
        {
            if (run.IsBreak)
            {
                writer.Close();
                continue;
            }

            foreach (int token in tokenizer.EncodeWords(run.Text))
            {
                writer.Add(token, run.Weight);
            }
        }

        return new(tokenizer, limit, writer.Finish(), writer.Dropped);
    }

    /// <summary>These windows and as many empty ones as are missing.</summary>
    /// <param name="sequences">How many windows there should be; fewer than there are changes nothing.</param>
    public override PromptWindows PaddedTo(int sequences)
    {
        if (sequences <= Windows.Count)
        {
            return this;
        }

        PromptWindow empty = new Writer(_tokenizer, Limit).Finish()[0];
        return new(_tokenizer, Limit, [.. Windows, .. Enumerable.Repeat(empty, sequences - Windows.Count)], Dropped);
    }

    private sealed class Writer(ITokenizer tokenizer, int limit)
    {
        private readonly int _start = tokenizer.StartId
            ?? throw new ArgumentException("Windows begin with a start token, which the tokenizer lacks.", nameof(tokenizer));

        private readonly int _capacity = limit - 2;
        private readonly int _comma = tokenizer.EncodeWords(",") is [int comma] ? comma : -1;
        private readonly List<PromptWindow> _windows = [];
        private readonly List<int> _ids = [];
        private readonly List<double> _weights = [];
        private int _lastComma = -1;

        public int Dropped { get; private set; }

        public void Add(int token, double weight)
        {
            if (_windows.Count == Most)
            {
                Dropped++;
                return;
            }

            if (token == _comma)
            {
                _lastComma = _ids.Count;
            }
            else if (_ids.Count == _capacity && _lastComma >= 0 && _ids.Count - _lastComma <= CommaReach)
            {
                Close(_lastComma + 1);
            }

            if (_ids.Count == _capacity)
            {
                Close();
            }

            // The last window may just have closed.
            if (_windows.Count == Most)
            {
                Dropped += _ids.Count + 1;
                _ids.Clear();
                _weights.Clear();
                return;
            }

            _ids.Add(token);
            _weights.Add(weight);
        }

        public void Close() => Close(_ids.Count);

        public IReadOnlyList<PromptWindow> Finish()
        {
            if (_ids.Count > 0 || _windows.Count == 0)
            {
                Close();
            }

            return _windows;
        }

        /// <summary>Ends the window after so many tokens; the others begin the next.</summary>
        private void Close(int count)
        {
            if (_windows.Count == Most)
            {
                return;
            }

            int[] ids = new int[limit];
            double[] weights = new double[limit];
            Array.Fill(weights, 1);
            ids[0] = _start;
            for (int i = 0; i < count; i++)
            {
                ids[i + 1] = _ids[i];
                weights[i + 1] = _weights[i];
            }

            ids[count + 1] = tokenizer.EndId;
            ids.AsSpan(count + 2).Fill(tokenizer.PadId);
            _windows.Add(new(ids, weights, count));
            _ids.RemoveRange(0, count);
            _weights.RemoveRange(0, count);
            _lastComma = -1;
        }
    }
}
