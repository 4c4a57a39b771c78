namespace DiffusionClip;

/// <summary>Receives the events of a run. Must not block; an exception ends the run.</summary>
public interface IRunObserver
{
    /// <summary>A stage began or ended.</summary>
    void OnStage(in StageUpdate update)
    {
    }

    /// <summary>An evaluation ended. The update lives only during the call.</summary>
    void OnStep(in StepUpdate update)
    {
    }

    /// <summary>A candidate began, was scored, was cut, finished or failed.</summary>
    void OnCandidate(CandidateUpdate update)
    {
    }

    /// <summary>The strategy made a move.</summary>
    void OnMove(SearchMove move)
    {
    }
}
