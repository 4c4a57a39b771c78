using System.Globalization;
using System.Text;

namespace DiffusionClip;

/// <summary>Base of every error that a caller can do something about; its message is one line that says what and what to do.</summary>
public class DiffusionClipException : Exception
{
    /// <summary>Creates the error.</summary>
    public DiffusionClipException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}

/// <summary>A request, option or argument has a value that cannot be used.</summary>
public sealed class InvalidRequestException : DiffusionClipException
{
    private const int LongestQuote = 60;

    /// <summary>Creates the error; the message is composed of the three parts.</summary>
    /// <param name="field">The field in the request's own snake_case words, e.g. <c>num_inference_steps</c>.</param>
    /// <param name="value">The value as given, shortened if long.</param>
    /// <param name="remedy">What would be accepted.</param>
    public InvalidRequestException(string field, string? value, string remedy)
        : base($"{field}: {Quote(value)} cannot be used; {remedy}")
    {
        Field = field;
        Value = value;
        Remedy = remedy;
    }

    /// <summary>The field at fault.</summary>
    public string Field { get; }

    /// <summary>The value at fault.</summary>
    public string? Value { get; }

    /// <summary>What would be accepted.</summary>
    public string Remedy { get; }

    /// <summary>
    /// A value as messages show it: in quotation marks, on one line, cut after 60 UTF-16 units if longer, never inside a character.
    /// Control characters and halves of surrogate pairs become U+FFFD.
    /// </summary>
    /// <param name="value">The value as given.</param>
    public static string Quote(string? value)
    {
        if (value is null)
        {
            return "nothing";
        }

        var line = new StringBuilder(Math.Min(value.Length, LongestQuote));
        int read = 0;
        foreach (Rune rune in value.EnumerateRunes())
        {
            if (read + rune.Utf16SequenceLength > LongestQuote)
            {
                return string.Create(CultureInfo.InvariantCulture, $"'{line}…' ({value.Length} characters)");
            }

            // Half a pair is enumerated as U+FFFD, which is one unit, too.
            read += rune.Utf16SequenceLength;
            line.Append(Rune.IsControl(rune) ? Rune.ReplacementChar : rune);
        }

        return $"'{line}'";
    }
}

/// <summary>A model folder is missing, incomplete, damaged or does not fit together.</summary>
public sealed class ModelFolderException : DiffusionClipException
{
    /// <summary>Creates the error.</summary>
    /// <param name="path">The file or folder at fault.</param>
    /// <param name="problem">What was found and what was expected.</param>
    /// <param name="innerException">The cause, if another error led here.</param>
    public ModelFolderException(string path, string problem, Exception? innerException = null)
        : base($"{path}: {problem}", innerException) => Path = path;

    /// <summary>The file or folder at fault.</summary>
    public string Path { get; }
}

/// <summary>A file is not a picture that can be read.</summary>
public sealed class ImageFormatException : DiffusionClipException
{
    /// <summary>Creates the error.</summary>
    public ImageFormatException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}

/// <summary>An execution provider was asked for that this build or machine does not have.</summary>
public sealed class ExecutionProviderException : DiffusionClipException
{
    /// <summary>Creates the error.</summary>
    public ExecutionProviderException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}
