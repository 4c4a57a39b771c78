using System.Globalization;

namespace DiffusionClip.Benchmarks;

/// <summary>A Markdown table.</summary>
internal sealed class Table(params string[] headers)
{
    private readonly List<string[]> _rows = [];

    /// <summary>Adds a row; numbers come formatted (<see cref="F"/>).</summary>
    public Table Add(params string[] cells)
    {
        _rows.Add(cells);
        return this;
    }

    /// <summary>A number with so many decimals, the same in every culture.</summary>
    public static string F(double value, int decimals = 2) =>
        value.ToString("F" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    public override string ToString() =>
        string.Join('\n', _rows.Prepend([.. headers.Select(_ => "---")]).Prepend(headers).Select(row => $"| {string.Join(" | ", row)} |"))
        + "\n";
}
