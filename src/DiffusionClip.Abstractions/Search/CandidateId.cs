using System.Globalization;

namespace DiffusionClip;

/// <summary>Number of a candidate: roots and children share one count, in order of creation.</summary>
/// <param name="Value">The number, from 0.</param>
public readonly record struct CandidateId(int Value) : IComparable<CandidateId>
{
    /// <inheritdoc/>
    public int CompareTo(CandidateId other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}
