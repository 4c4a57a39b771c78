using System.Diagnostics.CodeAnalysis;

namespace DiffusionClip.Collections;

/// <summary>Remembers a bounded number of values for the process's life; the least recently used goes first. Thread-safe.</summary>
/// <param name="capacity">Most values that are remembered.</param>
internal sealed class BoundedCache<TKey, TValue>(int capacity)
    where TKey : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, LinkedListNode<(TKey Key, TValue Value)>> _nodes = [];

    // The last used last.
    private readonly LinkedList<(TKey Key, TValue Value)> _order = new();

    /// <summary>Values remembered now.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _nodes.Count;
            }
        }
    }

    /// <summary>The value of a key, if it is remembered.</summary>
    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        lock (_gate)
        {
            if (!_nodes.TryGetValue(key, out LinkedListNode<(TKey Key, TValue Value)>? node))
            {
                value = default;
                return false;
            }

            _order.Remove(node);
            _order.AddLast(node);
            value = node.Value.Value;
            return true;
        }
    }

    /// <summary>The value of a key; made where it is not remembered, outside of any lock, so that two threads may make one each.</summary>
    public TValue GetOrAdd(TKey key, Func<TKey, TValue> make)
    {
        if (TryGet(key, out TValue? known))
        {
            return known;
        }

        TValue value = make(key);
        Add(key, value);
        return value;
    }

    /// <summary>Remembers a value.</summary>
    public void Add(TKey key, TValue value)
    {
        lock (_gate)
        {
            if (_nodes.Remove(key, out LinkedListNode<(TKey Key, TValue Value)>? old))
            {
                _order.Remove(old);
            }

            _nodes.Add(key, _order.AddLast((key, value)));
            if (_nodes.Count > capacity)
            {
                _nodes.Remove(_order.First!.Value.Key);
                _order.RemoveFirst();
            }
        }
    }
}
