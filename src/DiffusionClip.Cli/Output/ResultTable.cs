using Spectre.Console;

namespace DiffusionClip.Cli.Output;

/// <summary>Rows under headings: a drawn table on a terminal, aligned columns elsewhere.</summary>
/// <param name="headings">Heading of each column; one that begins with <c>&gt;</c> is aligned right.</param>
internal sealed class ResultTable(params string[] headings)
{
    private readonly List<string[]> _rows = [];

    /// <summary>Adds a row of as many cells as there are headings.</summary>
    public void Add(params string[] cells) => _rows.Add(Array.ConvertAll(cells, Terminal.OneLine));

    /// <summary>Writes the table to standard output.</summary>
    /// <param name="terminal">Where to.</param>
    /// <param name="highlight">Whether the first row is the best.</param>
    public void Write(Terminal terminal, bool highlight = false)
    {
        if (terminal.OutIsRich)
        {
            Draw(terminal, highlight);
            return;
        }

        int[] widths =
        [
            .. headings.Select(
                (heading, i) => Math.Max(heading.TrimStart('>').Length, _rows.Count > 0 ? _rows.Max(row => row[i].Length) : 0)),
        ];
        foreach (string[] row in _rows.Prepend([.. headings.Select(heading => heading.TrimStart('>'))]))
        {
            IEnumerable<string> cells = row.Select(
                (cell, i) => headings[i].StartsWith('>') ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]));
            terminal.Out.WriteLine(string.Join("  ", cells).TrimEnd());
        }
    }

    private void Draw(Terminal terminal, bool highlight)
    {
        Table table = new Table().Border(TableBorder.Rounded).BorderColor(Color.Grey);
        foreach (string heading in headings)
        {
            var column = new TableColumn($"[grey]{Markup.Escape(heading.TrimStart('>'))}[/]");
            table.AddColumn(heading.StartsWith('>') ? column.RightAligned() : column);
        }

        for (int i = 0; i < _rows.Count; i++)
        {
            bool best = highlight && i == 0;
            table.AddRow([.. _rows[i].Select(cell => best ? $"[bold green]{Markup.Escape(cell)}[/]" : Markup.Escape(cell))]);
        }

        terminal.OutConsole().Write(table);
    }
}
