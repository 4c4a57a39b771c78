using DiffusionClip.Models;
using DiffusionClip.Models.Graphs;

namespace DiffusionClip.Tokenization.SentencePiece;

/// <summary>What a piece is (field numbers and values of sentencepiece_model.proto).</summary>
internal enum PieceKind
{
    /// <summary>Learnt.</summary>
    Normal = 1,

    /// <summary>Stands for what no piece covers.</summary>
    Unknown = 2,

    /// <summary>Never comes from a text.</summary>
    Control = 3,

    /// <summary>Always taken whole.</summary>
    UserDefined = 4,

    /// <summary>Not to be used.</summary>
    Unused = 5,

    /// <summary>One byte of what no piece covers.</summary>
    Byte = 6,
}

/// <summary>A piece of the vocabulary.</summary>
/// <param name="Text">Its spelling, with U+2581 for a space.</param>
/// <param name="Score">Logarithm of its probability.</param>
/// <param name="Kind">What it is.</param>
internal sealed record Piece(string Text, float Score, PieceKind Kind);

/// <summary>A <c>spiece.model</c>: pieces, their scores and how text is normalized before they are looked for.</summary>
internal sealed class SentencePieceModel
{
    private const ulong Unigram = 1;

    private SentencePieceModel(string path) => Path = path;

    public string Path { get; }

    public List<Piece> Pieces { get; } = [];

    public int UnknownId { get; private set; }

    public bool ByteFallback { get; private set; }

    public bool SpaceIsSuffix { get; private set; }

    public bool AddDummyPrefix { get; private set; } = true;

    public bool RemoveExtraSpaces { get; private set; } = true;

    public bool EscapeSpaces { get; private set; } = true;

    public CharacterReplacements? Replacements { get; private set; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="ModelFolderException">It is missing, damaged, or of another kind than unigram.</exception>
    public static SentencePieceModel Read(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(path, $"cannot be read ({exception.Message})", exception);
        }

        if (bytes.Length == 0 || ModelFile.Impostor(bytes) is not null)
        {
            throw new ModelFolderException(
                path,
                $"{(bytes.Length == 0 ? "empty" : ModelFile.Impostor(bytes))} instead of a SentencePiece model; download the file itself");
        }

        var model = new SentencePieceModel(path);
        try
        {
            using MemoryStream stream = new(bytes);
            model.Read(new ProtobufCursor(stream));
        }
        catch (EndOfStreamException exception)
        {
            throw new ModelFolderException(path, "cut off or damaged; expected a SentencePiece model; download it again", exception);
        }

        if (model.Pieces.Count == 0)
        {
            throw new ModelFolderException(path, "holds no pieces; expected a SentencePiece model");
        }

        int unknown = model.Pieces.FindIndex(piece => piece.Kind == PieceKind.Unknown);
        model.UnknownId =
            unknown >= 0 ? unknown : throw new ModelFolderException(path, "has no piece for the unknown; expected one of type UNKNOWN");
        return model;
    }

    private void Read(ProtobufCursor model)
    {
        while (model.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    ReadPiece(model.Message());
                    break;
                case 2:
                    ReadTrainer(model.Message());
                    break;
                case 3:
                    ReadNormalizer(model.Message());
                    break;
                default:
                    model.Skip();
                    break;
            }
        }
    }

    private void ReadPiece(ProtobufCursor piece)
    {
        string text = "";
        float score = 0;
        var kind = PieceKind.Normal;
        while (piece.Next(out int field))
        {
            switch (field)
            {
                case 1:
                    text = piece.Text();
                    break;
                case 2:
                    score = piece.Single();
                    break;
                case 3:
                    kind = (PieceKind)piece.Number();
                    break;
                default:
                    piece.Skip();
                    break;
            }
        }

        Pieces.Add(new(text, score, kind));
    }

    private void ReadTrainer(ProtobufCursor trainer)
    {
        while (trainer.Next(out int field))
        {
            switch (field)
            {
                case 3:
                    if (trainer.Number() is not Unigram and ulong type)
                    {
                        throw new ModelFolderException(Path, $"a SentencePiece model of type {type}; expected a unigram model (type 1)");
                    }

                    break;
                case 24:
                    SpaceIsSuffix = trainer.Number() != 0;
                    break;
                case 35:
                    ByteFallback = trainer.Number() != 0;
                    break;
                default:
                    trainer.Skip();
                    break;
            }
        }
    }

    private void ReadNormalizer(ProtobufCursor normalizer)
    {
        while (normalizer.Next(out int field))
        {
            switch (field)
            {
                case 2:
                    byte[] map = normalizer.Bytes();
                    Replacements = map.Length == 0 ? null : CharacterReplacements.Read(map, Path);
                    break;
                case 3:
                    AddDummyPrefix = normalizer.Number() != 0;
                    break;
                case 4:
                    RemoveExtraSpaces = normalizer.Number() != 0;
                    break;
                case 5:
                    EscapeSpaces = normalizer.Number() != 0;
                    break;
                default:
                    normalizer.Skip();
                    break;
            }
        }
    }
}
