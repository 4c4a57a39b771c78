using System.Text;

namespace DiffusionClip.Tokenization;

/// <summary>
/// The same byte-pair encoding for very long words, in time n·log n: always the earliest merge, of those the leftmost, kept in a
/// heap. The library's takes time in the square of the word's length, minutes for one of a megabyte.
/// </summary>
internal sealed class LongWordMerger
{
    private readonly Dictionary<(int Left, int Right), (int Rank, int Id)> _merges = [];
    private readonly int[] _bytes = new int[256];
    private readonly int[] _lastBytes = new int[256];

    /// <param name="vocabulary">Token to id.</param>
    /// <param name="merges">Pairs "left right", the earlier the sooner merged.</param>
    /// <param name="suffix">What the last token of a word ends in.</param>
    /// <param name="unknown">Id for a byte that the vocabulary lacks.</param>
    public LongWordMerger(Dictionary<string, int> vocabulary, List<string> merges, string suffix, int unknown)
    {
        for (int rank = 0; rank < merges.Count; rank++)
        {
            string merge = merges[rank];
            int space = merge.IndexOf(' ', StringComparison.Ordinal);
            _merges[(vocabulary[merge[..space]], vocabulary[merge[(space + 1)..]])] = (rank, vocabulary[merge.Remove(space, 1)]);
        }

        // GPT-2's alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 and up in their order.
        int next = 0x100;
        for (int b = 0; b < 256; b++)
        {
            bool isPrintable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            string character = ((char)(isPrintable ? b : next++)).ToString();
            _bytes[b] = vocabulary.GetValueOrDefault(character, unknown);
            _lastBytes[b] = vocabulary.GetValueOrDefault(character + suffix, unknown);
        }
    }

    /// <summary>Adds the ids of one word.</summary>
    public void Encode(ReadOnlySpan<char> word, List<int> ids)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(word)];
        Encoding.UTF8.GetBytes(word, bytes);
        int[] tokens = new int[bytes.Length];
        int[] next = new int[bytes.Length];
        int[] previous = new int[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            tokens[i] = i == bytes.Length - 1 ? _lastBytes[bytes[i]] : _bytes[bytes[i]];
            next[i] = i + 1 < bytes.Length ? i + 1 : -1;
            previous[i] = i - 1;
        }

        PriorityQueue<int, long> queue = new(bytes.Length);
        for (int i = 0; i + 1 < bytes.Length; i++)
        {
            Offer(i);
        }

        while (queue.TryDequeue(out int left, out long key))
        {
            // What was offered may have been merged with another neighbour since.
            int right = tokens[left] < 0 ? -1 : next[left];
            if (
                right < 0
                || !_merges.TryGetValue((tokens[left], tokens[right]), out (int Rank, int Id) merge)
                || Key(merge.Rank, left) != key)
            {
                continue;
            }

            tokens[left] = merge.Id;
            tokens[right] = -1;
            next[left] = next[right];
            if (next[left] >= 0)
            {
                previous[next[left]] = left;
                Offer(left);
            }

            if (previous[left] >= 0)
            {
                Offer(previous[left]);
            }
        }

        for (int i = 0; i >= 0 && bytes.Length > 0; i = next[i])
        {
            ids.Add(tokens[i]);
        }

        void Offer(int left)
        {
            if (_merges.TryGetValue((tokens[left], tokens[next[left]]), out (int Rank, int Id) merge))
            {
                queue.Enqueue(left, Key(merge.Rank, left));
            }
        }

        static long Key(int rank, int position) => (long)rank << 32 | (uint)position;
    }
}
