namespace DiffusionClip.Models;

/// <summary>Looks at the first bytes of a file: what people have by mistake in place of a model.</summary>
internal static class ModelFile
{
    /// <summary>Fails with the file's name and what was expected if a graph is missing, empty or something else.</summary>
    public static void CheckGraph(string path)
    {
        Span<byte> head = stackalloc byte[512];
        int read;
        try
        {
            if (Directory.Exists(path))
            {
                throw new ModelFolderException(path, "a folder; expected an ONNX graph");
            }

            // Checked first: opening a pipe without a writer would block for ever.
            if (!RegularFile.Is(path))
            {
                throw new ModelFolderException(path, "not a regular file; expected an ONNX graph");
            }

            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            read = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelFolderException(path, "missing; expected an ONNX graph", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(path, $"cannot be read ({exception.Message})", exception);
        }

        if (read == 0)
        {
            throw new ModelFolderException(path, "empty; expected an ONNX graph");
        }

        if (Impostor(head[..read]) is { } impostor)
        {
            throw new ModelFolderException(path, $"{impostor} instead of an ONNX graph; download the file itself");
        }

        // A ModelProto begins with the tag of one of its fields: numbers (ir_version 1, model_version 5), or texts and messages.
        if ((head[0] >> 3, head[0] & 7) is not ((1 or 5, 0) or (2 or 3 or 4 or 6 or 7 or 8 or 14, 2)))
        {
            throw new ModelFolderException(path, "not an ONNX graph (its first bytes are no ModelProto)");
        }
    }

    /// <summary>Names a Git LFS pointer or a web page; null for anything else.</summary>
    public static string? Impostor(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith("version https://git-lfs"u8))
        {
            return "a Git LFS pointer";
        }

        ReadOnlySpan<byte> text = head.TrimStart(" \t\r\n\uFEFF"u8);
        return text.StartsWith("<"u8) && IsMarkup(text) ? "a web page (HTML or XML)" : null;
    }

    private static bool IsMarkup(ReadOnlySpan<byte> text) =>
        text.Length > 1 && (text[1] == '!' || text[1] == '?' || char.IsAsciiLetter((char)text[1]));
}
