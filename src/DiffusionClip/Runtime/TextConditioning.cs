using System.Collections.Frozen;

namespace DiffusionClip.Runtime;

/// <summary>What the denoiser attends to, for one row: values by role. Immutable; compared by reference.</summary>
public sealed class TextConditioning
{
    private readonly FrozenDictionary<ConditioningRole, ReadOnlyMemory<float>> _values;

    /// <summary>Wraps embeddings.</summary>
    /// <param name="promptEmbeds">[sequence, width], row-major.</param>
    /// <param name="sequenceLength">Tokens.</param>
    /// <param name="others">What the family gives beside them; null: nothing.</param>
    public TextConditioning(
        ReadOnlyMemory<float> promptEmbeds, int sequenceLength, IReadOnlyDictionary<ConditioningRole, ReadOnlyMemory<float>>? others = null)
    {
        if (sequenceLength < 1 || promptEmbeds.Length % sequenceLength != 0)
        {
            throw new ArgumentException($"{promptEmbeds.Length} values are no {sequenceLength} equal rows.", nameof(sequenceLength));
        }

        SequenceLength = sequenceLength;
        _values = (others ?? FrozenDictionary<ConditioningRole, ReadOnlyMemory<float>>.Empty)
            .Append(new(ConditioningRole.PromptEmbeds, promptEmbeds))
            .ToFrozenDictionary();
    }

    /// <summary>Text embeddings [sequence, width].</summary>
    public ReadOnlyMemory<float> PromptEmbeds => _values[ConditioningRole.PromptEmbeds];

    /// <summary>Tokens.</summary>
    public int SequenceLength { get; }

    /// <summary>Width of an embedding.</summary>
    public int Width => PromptEmbeds.Length / SequenceLength;

    /// <summary>The roles that have values.</summary>
    public IEnumerable<ConditioningRole> Roles => _values.Keys;

    /// <summary>The values of a role; empty if the family gives none.</summary>
    public ReadOnlyMemory<float> this[ConditioningRole role] =>
        _values.TryGetValue(role, out ReadOnlyMemory<float> values) ? values : default;
}
