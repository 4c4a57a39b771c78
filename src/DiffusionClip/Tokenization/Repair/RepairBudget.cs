namespace DiffusionClip.Tokenization.Repair;

/// <summary>
/// A limit to the characters that repeated passes may look at. Some texts unfold by one step a pass (<c>&amp;amp;amp;amp;…</c>):
/// time in the square of their length. Whatever a person writes ends long before; a text of up to some 4,000 characters always does.
/// </summary>
internal sealed class RepairBudget(int length)
{
    private long _left = Math.Max(16_000_000L, 16L * length);

    /// <summary>Whether another pass over that many characters may be made.</summary>
    public bool Spend(int characters) => (_left -= characters) >= 0;
}
